"""Needed by package: the model with all that answers take, as MLflow loads it anywhere."""

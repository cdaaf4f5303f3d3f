"""MLflow: one run for each stage key."""

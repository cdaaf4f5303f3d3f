"""From prepared examples to a model."""

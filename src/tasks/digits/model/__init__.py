"""The model, its input and its file."""

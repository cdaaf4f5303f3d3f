"""The model on the test split."""

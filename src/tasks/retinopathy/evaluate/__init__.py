"""evaluate: the trained model on the test split."""

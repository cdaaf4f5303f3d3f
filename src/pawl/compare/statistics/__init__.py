"""What the difference between two models' predictions on the same examples is worth."""

"""What two sides' predictions of the same examples say beyond one number."""

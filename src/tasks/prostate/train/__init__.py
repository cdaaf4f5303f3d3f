"""One model a fold."""

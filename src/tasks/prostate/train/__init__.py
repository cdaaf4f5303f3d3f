"""One model a fold, and one of all patients."""

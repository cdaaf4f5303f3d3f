"""What the results of base and head say about each other."""

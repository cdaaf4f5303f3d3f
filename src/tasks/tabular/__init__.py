"""Tables of numbers and text with one target column: breast cancer by default, or your own CSV file."""

"""Getting a finished report in front of people."""

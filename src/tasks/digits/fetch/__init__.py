"""The raw data."""

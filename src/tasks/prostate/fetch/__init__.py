"""The raw volumes and masks."""

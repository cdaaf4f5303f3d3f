"""From raw data to checked, split examples."""

"""The documents that people read, made from the JSON files alone."""

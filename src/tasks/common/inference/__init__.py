"""Needed by tasks infer: what it answers."""

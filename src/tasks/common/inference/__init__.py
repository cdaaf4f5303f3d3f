"""Needed by tasks infer and in packages: what a model answers, and to what."""

"""Needed by evaluate: metrics and predictions."""

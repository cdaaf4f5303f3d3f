"""Needed by train and evaluate: cards, weight files, devices."""

"""Needed by train and evaluate: networks, the ordinal head, agreement of grades, scoring."""

"""Needed by prepare, train and evaluate: tables, manifests, splits."""

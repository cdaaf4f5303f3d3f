"""Needed by every stage after fetch: tables, manifests, splits."""

"""Bringing pawl into a repository that already has a DVC pipeline, without overwriting anything."""

"""Needed by every stage: parameters, paths, whole files, progress, errors."""

"""Tests of what `.github` holds besides YAML."""

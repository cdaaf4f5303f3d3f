"""Stages made on other machines: what they are told, what they do, and how their results come back."""

"""Needed by fetch: where a task's raw data may come from."""

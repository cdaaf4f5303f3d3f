"""Pipelines run by the root dvc.yaml: one folder a task, four stages each, and `common` for what they share."""

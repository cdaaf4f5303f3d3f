"""The commands of `tasks` that are no stage."""

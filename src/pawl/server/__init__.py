"""A tracking server for a small team without containers: PostgreSQL, a store and MLflow, as processes in one folder."""

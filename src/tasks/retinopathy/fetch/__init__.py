"""fetch: the raw photographs, from where params.yaml says."""

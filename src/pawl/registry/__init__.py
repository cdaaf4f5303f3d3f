"""The model registry: which version is the candidate, which the champion, and who signed them."""

"""`tasks tune`."""

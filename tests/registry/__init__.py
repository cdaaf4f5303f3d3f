"""The registry: promotion, rollback, signatures."""

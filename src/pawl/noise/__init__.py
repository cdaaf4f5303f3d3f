"""How far a metric moves when nothing but the seed differs."""

"""From prepared posters to a model, in two phases."""

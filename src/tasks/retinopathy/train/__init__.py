"""train: the network with its ordinal head."""

"""Models from packages: found by name in a registry, checked against their signature, asked about files."""

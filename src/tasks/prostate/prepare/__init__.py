"""From volumes in millimetres to slices of pixels."""

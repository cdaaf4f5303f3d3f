"""The networks, their input, and the way from slices to a mask."""

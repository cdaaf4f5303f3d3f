"""prepare: photographs cropped to the eye, in one size, split and packed."""

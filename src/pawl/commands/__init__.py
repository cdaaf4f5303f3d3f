"""Commands too long for the command line's own module."""

"""Timings, each beside what one would do without pawl, in the same run on the same machine."""

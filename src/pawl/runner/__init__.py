"""A machine that runs GitHub jobs one at a time, each on a clean start, and goes on after every failure."""

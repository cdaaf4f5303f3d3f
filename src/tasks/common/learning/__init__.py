"""Needed by train: seeds, training loops, histories, the key of the stage."""

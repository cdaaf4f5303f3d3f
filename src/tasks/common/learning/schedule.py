"""The learning rate over the steps of a training."""

from __future__ import annotations

import math
from collections.abc import Callable


def cosine_schedule(highest: float, warmup_share: float, n_steps: int) -> Callable[[int], float]:
    """The learning rate of each step from 0: up along a line for the share given, then down along a cosine to 0."""
    n_warmup = warmup_share * n_steps

    def rate(step: int) -> float:
        if step < n_warmup:
            return highest * (step + 1) / (n_warmup + 1)
        return highest * 0.5 * (1 + math.cos(math.pi * (step - n_warmup) / (n_steps - n_warmup)))

    return rate

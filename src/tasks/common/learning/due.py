"""When a checkpoint within an epoch is due: by one rank's clock, on every rank at the same step."""

from __future__ import annotations

import time

from tasks.common.learning.checkpoints import PhaseCheckpoints
from tasks.common.learning.ranks import Rank, Total

# How long ranks go without asking each other, which costs a small step's time.
_SECONDS_UNASKED = 1.0
_MOST_STEPS = 1000


class Due:
    """Asked by every rank after each step, it answers the same to all."""

    def __init__(self, checkpoints: PhaseCheckpoints, every_seconds: float, rank: Rank, total: Total):
        self._checkpoints = checkpoints
        self._every_seconds = every_seconds
        self._rank = rank
        self._total = total
        self._steps = 0
        self._ask_at = 1
        self._asked_seconds = time.monotonic()

    def now(self) -> bool:
        """Whether the last checkpoint is old enough."""
        if self._rank.count == 1:
            return self._checkpoints.due(self._every_seconds)
        self._steps += 1
        if self._steps < self._ask_at:
            return False
        return self._ask()

    def _ask(self) -> bool:
        import numpy as np

        now_seconds = time.monotonic()
        seconds_a_step = max((now_seconds - self._asked_seconds) / self._steps, 1e-6)
        unasked_steps = min(max(int(min(_SECONDS_UNASKED, self._every_seconds) / seconds_a_step), 1), _MOST_STEPS)
        answer = [float(self._checkpoints.due(self._every_seconds)), float(unasked_steps)]
        # The others add nothing: theirs are other clocks.
        due, self._ask_at = self._total(np.array([answer if self._rank.number == 0 else [0.0, 0.0]]))[0].tolist()
        self._steps, self._asked_seconds = 0, now_seconds
        return bool(due)

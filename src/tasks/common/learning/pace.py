"""How fast a training is, now and then in a line on standard error."""

from __future__ import annotations

import time

from tasks.common.stage.progress import SECONDS_BETWEEN_LINES, say


class Pace:
    """Counts training examples against the clock. Nothing of it goes into a result."""

    def __init__(self, label: str, epochs: int, quiet: bool = False):
        self._label = label
        self._quiet = quiet
        self._epochs = epochs
        self._epochs_begun = 0
        self._examples = 0
        self._seconds = 0.0
        self._since = self._said = time.monotonic()

    def begin_epoch(self) -> None:
        """The training batches of an epoch begin."""
        self._epochs_begun += 1
        if self._epochs_begun == 2:
            # The first epoch compiles, and reads what later ones find in memory.
            self._examples, self._seconds = 0, 0.0
        self._since = time.monotonic()

    def count(self, examples: int, epoch: int, batches: int, of_batches: int) -> None:
        """So many more examples of epoch number `epoch`, in which so many batches are done."""
        self._examples += examples
        self.end_epoch()
        if not self._quiet and self._since - self._said >= SECONDS_BETWEEN_LINES:
            self._said = self._since
            say(f"{self._label}: epoch {epoch + 1} of {self._epochs}, batch {batches} of {of_batches}, {self._rate()}")

    def end_epoch(self) -> None:
        """The training batches of an epoch are done, on the device too."""
        now = time.monotonic()
        self._seconds += now - self._since
        self._since = now

    def say_rate(self) -> None:
        """Say how fast it was on the whole, without the first epoch if there were more."""
        if self._examples and not self._quiet:
            say(f"{self._label}: trained {self._rate()}")

    def _rate(self) -> str:
        return f"{self._examples / max(self._seconds, 1e-9):,.0f} examples a second"

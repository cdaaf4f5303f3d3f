"""How far a run is: which stages run, since when, what they said last, and how many are done."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

Say = Callable[[str], None]


@dataclass(frozen=True)
class Running:
    """One running stage; `since` is a reading of the monotonic clock, in seconds."""

    name: str
    since: float
    line: str = ""


@dataclass(frozen=True)
class Standing:
    """All of it at one moment."""

    done: int
    total: int
    running: tuple[Running, ...]


class Progress:
    """Told from every thread that runs a stage, read by a display; `say` is given whole lines, one at a time.

    Stages are named `side: stage`, such as `head: train@digits`.
    """

    def __init__(self, say: Say) -> None:
        self._say = say
        self._one_line = threading.Lock()
        # Not the same: who prints may wait for a display that draws, and that reads.
        self._state = threading.Lock()
        self._running: dict[str, Running] = {}
        self._expected: frozenset[str] = frozenset()
        self._done: set[str] = set()

    def expect(self, names: Collection[str]) -> None:
        """The stages that count from now on."""
        with self._state:
            self._expected, self._done = frozenset(names), set()

    def say(self, line: str) -> None:
        """One line for people."""
        with self._one_line:
            self._say(line)

    def begin(self, name: str) -> None:
        """The command of a stage has been started."""
        with self._state:
            self._running[name] = Running(name, time.monotonic())
        self.say(f"{name} runs")

    def print(self, name: str, line: str) -> None:
        """The stage wrote a line."""
        with self._state:
            self._running[name] = Running(name, self._running[name].since, line)
        side, _, stage = name.partition(": ")
        self.say(f"  {stage if side == 'head' else f'{side} {stage}'} | {line}")

    def end(self, name: str) -> None:
        """The command of a stage has ended, one way or another."""
        with self._state:
            self._running.pop(name, None)

    def count(self, name: str) -> str:
        """Count a stage as done, once; how many are, such as `(3 of 12)`, or nothing for one that was not expected."""
        with self._state:
            if name not in self._expected:
                return ""
            self._done.add(name)
            return f"({len(self._done)} of {len(self._expected)})"

    def standing(self) -> Standing:
        """How things stand."""
        with self._state:
            return Standing(len(self._done), len(self._expected), tuple(self._running.values()))


def in_words(seconds: float) -> str:
    """A duration.

    >>> in_words(0.31), in_words(12.4), in_words(75), in_words(3_700)
    ('0.3 s', '12 s', '1 min 15 s', '1 h 1 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3_600 else f"{whole // 3_600} h {whole % 3_600 // 60} min"

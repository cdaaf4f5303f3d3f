"""What a trained model says of one input, and what it takes to say it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Inferred:
    """The answer for one file, or for one row of it."""

    source: str
    """The file as it was named, and the row where a file has several."""
    labels: Mapping[str, float]
    """Probability of each label, in the card's order; empty where the answer is a mask."""
    predicted: tuple[str, ...]
    """The labels decided for: one, or any number where an example can have several."""
    written: Path | None = None
    """The file that the answer was written to, such as a mask."""
    problem: str | None = None
    """Why there is no answer for this file, as a clause; the other files have theirs."""


Answer = Callable[[Sequence[Path], Path], list[Inferred]]
"""A loaded model: an answer for each of the files, or for each of their rows; what is written goes to the folder."""


@dataclass(frozen=True)
class Endpoint:
    """How a table is put to a task's model: the constant ENDPOINT of its module `infer`."""

    files: str | None = None
    """The column that holds a file in base64 in each row; None: one column for each input, for `load_rows`."""
    written: str | None = None
    """The column of what the model writes for each row, a file in base64; None: it gives a score for each label."""

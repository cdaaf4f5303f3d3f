"""What a trained model says of one input."""

from __future__ import annotations

from collections.abc import Mapping
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

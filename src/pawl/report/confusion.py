"""What a confusion matrix says: the recall of each class, and which classes are taken for which."""

from __future__ import annotations

from dataclasses import dataclass

from pawl.schema import Confusion

Counts = tuple[tuple[int, ...], ...]
MOST_CLASSES_WHOLE = 12
"""Beyond this a matrix is shown by its most confused pairs."""


@dataclass(frozen=True)
class Pair:
    """Examples of class `labels[true]` predicted as `labels[predicted]`, on both sides."""

    true: int
    predicted: int
    base: int | None
    head: int | None


def usable(confusion: Confusion) -> bool:
    """Whether there is a side, and each is a square of counts with a row per label."""
    size = len(confusion.labels)
    sides = [side for side in (confusion.base, confusion.head) if side is not None]
    return bool(size and sides) and all(
        len(side) == size and all(len(row) == size and min(row) >= 0 for row in side) for side in sides
    )


def recalls(counts: Counts | None) -> list[float | None]:
    """The share of each class that was predicted as itself; None for a class without examples."""
    if counts is None:
        return []
    # Whole numbers first: a count may be beyond what a float can hold.
    return [row[i] / sum(row) if sum(row) else None for i, row in enumerate(counts)]


def recall_changes(confusion: Confusion) -> list[float | None]:
    """Recall of head less recall of base per class; None where either has none."""
    base, head = recalls(confusion.base), recalls(confusion.head)
    if not base or not head:
        return [None] * len(confusion.labels)
    return [h - b if b is not None and h is not None else None for b, h in zip(base, head, strict=True)]


def most_confused(confusion: Confusion, most: int) -> list[Pair]:
    """The `most` pairs of different classes with the most mistakes on either side."""
    pairs = []
    for true in range(len(confusion.labels)):
        for predicted in range(len(confusion.labels)):
            base = confusion.base[true][predicted] if confusion.base else None
            head = confusion.head[true][predicted] if confusion.head else None
            if true != predicted and (base or head):
                pairs.append(Pair(true, predicted, base, head))
    pairs.sort(key=lambda p: (-max(p.base or 0, p.head or 0), p.true, p.predicted))
    return pairs[:most]

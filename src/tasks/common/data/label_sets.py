"""Examples with any number of labels: how the manifest writes them, and as numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from tasks.common.data.manifest import Example

if TYPE_CHECKING:
    import numpy as np

SEPARATOR = "|"
"""Between the labels of one example, in the manifest and in predictions.parquet."""


def join_labels(labels: Iterable[str]) -> str:
    """The labels as one text.

    >>> join_labels(["Comedy", "Drama"])
    'Comedy|Drama'
    """
    return SEPARATOR.join(labels)


def labels_of(example: Example) -> list[str]:
    """The labels of one row of the manifest, none for an empty text."""
    return example.label.split(SEPARATOR) if example.label else []


def target_matrix(examples: Sequence[Example], labels: Sequence[str]) -> np.ndarray:
    """(N, K) float32: 1 where an example has a label. Raises ValueError for one that is not among the K `labels`."""
    import numpy as np

    targets = np.zeros((len(examples), len(labels)), np.float32)
    for row, example in enumerate(examples):
        for label in labels_of(example):
            targets[row, labels.index(label)] = 1
    return targets

"""Pairs of predictions as arrays, drawn at random or written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pawl.compare.statistics.pairing import Pair
from pawl.compare.statistics.predictions import Predictions


def ids(count: int) -> np.ndarray:
    """e0, e1, ..."""
    return np.array([f"e{n}" for n in range(count)], dtype=object)


def one_label(
    targets: Sequence[str],
    base: Sequence[str],
    head: Sequence[str],
    sureness: tuple[Sequence[float], Sequence[float]] | None = None,
    **more: Any,
) -> Pair:
    """A classification; `sureness` are the scores of what base and head predict, the rest is spread evenly."""
    labels = tuple(sorted({*targets, *base, *head}))
    sides = []
    for number, predicted in enumerate((base, head)):
        places = np.array([labels.index(label) for label in predicted])
        scores = None
        if sureness is not None:
            sure = np.array(sureness[number], float)
            scores = np.tile(((1 - sure) / (len(labels) - 1))[:, None], (1, len(labels)))
            scores[np.arange(len(places)), places] = sure
        sides.append(
            Predictions(
                ids(len(targets)),
                "classification",
                labels,
                np.array([labels.index(label) for label in targets]),
                places,
                scores,
                **more,
            )
        )
    return Pair(*sides)


def several_labels(targets: Any, base: Any, head: Any, scores: tuple[Any, Any] | None = None) -> Pair:
    """A multi-label pair over the labels a, b, c, ... from (N, K) truth values."""
    labels = tuple("abcdefgh"[: np.asarray(targets).shape[1]])
    sides = [
        Predictions(
            ids(len(targets)),
            "multi-label",
            labels,
            np.asarray(targets, bool),
            np.asarray(predicted, bool),
            None if scores is None else np.asarray(scores[number], float),
        )
        for number, predicted in enumerate((base, head))
    ]
    return Pair(*sides)


def swapped(pair: Pair) -> Pair:
    """Head as base and the other way round."""
    return Pair(pair.head, pair.base)

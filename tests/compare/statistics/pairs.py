"""Pairs of predictions to compare, made in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pawl.compare.statistics.pairing import Pair
from pawl.compare.statistics.predictions import Predictions


def ids(count: int) -> np.ndarray:
    return np.array([f"e{number}" for number in range(count)], dtype=object)


def classes(
    targets: Any, base: Any, head: Any, n_labels: int, scores: tuple[Any, Any] | None = None, groups: Any = None
) -> Pair:
    """A classification with the labels "0", "1", ... from places in them."""
    labels = tuple(str(label) for label in range(n_labels))
    return Pair(
        *(
            Predictions(
                ids(len(targets)),
                "classification",
                labels,
                np.asarray(targets),
                np.asarray(said),
                None if scores is None else np.asarray(scores[number], dtype=float),
                {},
                None if groups is None else np.asarray(groups),
            )
            for number, said in enumerate((base, head))
        )
    )


def values(base: Any, head: Any, groups: Any = None) -> Pair:
    """Values per example under the name `dice`."""
    sides = (
        Predictions(ids(len(base)), "values", values={"dice": np.asarray(side, float)}, groups=groups)
        for side in (base, head)
    )
    return Pair(*sides)


def scored(random: np.random.Generator, examples: int, n_labels: int, groups: Any = None) -> Pair:
    """Two models whose mistakes are alike and not the same."""
    targets = random.integers(0, n_labels, examples)
    targets[:n_labels] = np.arange(n_labels)
    hard = random.standard_normal((examples, n_labels))
    both = []
    for _ in range(2):
        logits = hard + random.standard_normal((examples, n_labels))
        logits[np.arange(examples), targets] += 1.5
        exponents = np.exp(logits)
        both.append(exponents / exponents.sum(axis=1, keepdims=True))
    return classes(targets, both[0].argmax(axis=1), both[1].argmax(axis=1), n_labels, (both[0], both[1]), groups)


def write(path: Path, **columns: Any) -> Path:
    """A parquet file; `score_a` is the column `score:a`, and so are `value_` and `slice_`."""
    names = {
        name: name.replace("_", ":", 1) if name.startswith(("score_", "value_", "slice_")) else name for name in columns
    }
    arrays = [column if isinstance(column, pa.Array) else pa.array(column) for column in columns.values()]
    pq.write_table(pa.table(arrays, names=list(names.values())), path)
    return path

"""Whether two models were asked the same questions, and their answers brought into one order."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pawl.compare.statistics.columns import as_numpy
from pawl.compare.statistics.predictions import Predictions, natural_order

if TYPE_CHECKING:
    import numpy as np

Cause = Literal["", "other ids", "other targets", "nothing to pair"]
_TARGET_TOLERANCE = 1e-6
"""Relative: a target that was written once in single and once in double precision is the same."""


@dataclass(frozen=True)
class Pair:
    """The predictions of base and head of the same examples, row by row, over the same labels."""

    base: Predictions
    head: Predictions

    def __len__(self) -> int:
        return len(self.head)

    def take(self, rows: np.ndarray) -> Pair:
        """The examples at these places, (M,) numbers or (N,) booleans."""
        return Pair(self.base.take(rows), self.head.take(rows))


@dataclass(frozen=True)
class Pairing:
    """A pair, or why there is none."""

    pair: Pair | None
    paired: int
    """Examples that both have."""
    base_only: int
    head_only: int
    other_targets: int
    """Of the examples that both have, those with another target."""
    problem: str
    """One sentence; empty where there is a pair."""
    cause: Cause


def pair_predictions(base: Predictions, head: Predictions) -> Pairing:
    """Pair by id, in head's order.

    Paired only where both have the same ids with the same targets; anything else is another test set. Labels that only
    one side knows get the score 0 on the other.
    """
    import numpy as np

    if len(base) != len(head) or not np.array_equal(base.ids, head.ids):
        import pyarrow as pa
        import pyarrow.compute as pc

        places = pc.index_in(pa.array(head.ids, pa.string()), pa.array(base.ids, pa.string()))
        shared = len(places) - places.null_count
        base_only, head_only = len(base) - shared, len(head) - shared
        if base_only or head_only:
            found = (shared, base_only, head_only, 0)
            if not shared:
                return Pairing(None, *found, "Base and head have no test example in common.", "other ids")
            return Pairing(
                None,
                *found,
                f"The test set is another one: base alone has {base_only:,} examples, head alone {head_only:,}, "
                f"both have {shared:,}.",
                "other ids",
            )
        base = base.take(as_numpy(places))
    count = len(head)
    if base.kind != head.kind:
        problem = f"Base's predictions are of the kind {base.kind}, head's of the kind {head.kind}."
        return Pairing(None, count, 0, 0, 0, problem, "nothing to pair")
    if base.labels != head.labels:
        labels = natural_order({*base.labels, *head.labels})
        base, head = _over(base, labels), _over(head, labels)
    changed = _other_targets(base, head)
    if changed:
        problem = f"{changed:,} of {count:,} test examples have another target on head than on base."
        return Pairing(None, count, 0, 0, changed, problem, "other targets")
    return Pairing(Pair(base, head), count, 0, 0, 0, "", "")


def _other_targets(base: Predictions, head: Predictions) -> int:
    import numpy as np

    if base.targets is None or head.targets is None:
        return 0
    if base.kind == "regression":
        scale = np.maximum(np.abs(base.targets), np.abs(head.targets))
        return int((np.abs(base.targets - head.targets) > _TARGET_TOLERANCE * scale).sum())
    differ = base.targets != head.targets
    return int((differ.any(axis=1) if differ.ndim == 2 else differ).sum())


def _over(side: Predictions, labels: tuple[str, ...]) -> Predictions:
    """The same over more labels."""
    import numpy as np

    places = np.array([labels.index(label) for label in side.labels], dtype=np.int64)

    def spread(columns: np.ndarray) -> np.ndarray:
        wider = np.zeros((len(columns), len(labels)), columns.dtype)
        wider[:, places] = columns
        return wider

    assert side.targets is not None
    assert side.predictions is not None
    of_labels = spread if side.kind == "multi-label" else places.__getitem__
    return dataclasses.replace(
        side,
        labels=labels,
        targets=of_labels(side.targets),
        predictions=of_labels(side.predictions),
        scores=None if side.scores is None else spread(side.scores),
    )

"""Examples that one side has right and the other wrong: counted by class, the most confident ones shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from pawl.compare.data.columns import fit
from pawl.compare.statistics.pairing import Pair
from pawl.compare.statistics.predictions import SEPARATOR, Predictions
from pawl.schema import MAX_FLIPS, MAX_LABELS_COUNTED, Flip, FlipCount, Flips

if TYPE_CHECKING:
    import numpy as np


def flips(pair: Pair, thumbnail_of: Callable[[int], str | None] | None = None) -> Flips | None:
    """Every change between right and wrong; None where nothing is right or wrong, as in a regression.

    An example with several labels is right when all of them are. `thumbnail_of` gives an example's picture, by its row
    in the pair, as base64 of a PNG.
    """
    right = right_or_wrong(pair)
    if right is None:
        return None
    on_base, on_head = right
    shown = rows_shown(pair)
    return Flips(
        broken=int((on_base & ~on_head).sum()),
        fixed=int((on_head & ~on_base).sum()),
        per_label=_counts(pair, on_base, on_head),
        shown=tuple(_flip(pair, row, bool(on_base[row]), thumbnail_of) for row in shown),
    )


def right_or_wrong(pair: Pair) -> tuple[np.ndarray, np.ndarray] | None:
    """(N,) bool each: whether base and head have each example right; None where there are no labels."""
    if pair.head.kind not in ("classification", "multi-label"):
        return None
    on_base, on_head = (_right(side) for side in (pair.base, pair.head))
    return on_base, on_head


def rows_shown(pair: Pair) -> list[int]:
    """The examples worth a look: broken ones first, each kind by falling confidence of the side that is wrong.

    At most 60, half of them broken and half fixed where there are enough of both.
    """
    import numpy as np

    right = right_or_wrong(pair)
    if right is None:
        return []
    on_base, on_head = right
    kinds = []
    for was, is_now, wrong in ((on_base, on_head, pair.head), (on_head, on_base, pair.base)):
        rows = np.flatnonzero(was & ~is_now)
        sureness = confidence(wrong)
        kinds.append(rows if sureness is None else rows[np.argsort(-sureness[rows], kind="stable")])
    broken, fixed = kinds
    n_broken = min(len(broken), max(MAX_FLIPS // 2, MAX_FLIPS - len(fixed)))
    return [int(row) for row in (*broken[:n_broken], *fixed[: MAX_FLIPS - n_broken])]


def confidence(side: Predictions) -> np.ndarray | None:
    """(N,) the score of what was predicted, None without scores; of several labels that of the least sure one.

    Of a label that was not predicted, the sureness is 1 - score.
    """
    import numpy as np

    if side.scores is None or side.predictions is None:
        return None
    if side.kind == "multi-label":
        of_each: np.ndarray = np.where(side.predictions, side.scores, 1 - side.scores)
        return of_each.min(axis=1, initial=1.0)
    of_one: np.ndarray = side.scores[np.arange(len(side)), side.predictions]
    return of_one


def _right(side: Predictions) -> np.ndarray:
    import numpy as np

    same = np.asarray(side.predictions == side.targets)
    return np.asarray(same.all(axis=1)) if same.ndim == 2 else same


def _counts(pair: Pair, on_base: np.ndarray, on_head: np.ndarray) -> tuple[FlipCount, ...]:
    """By target: where there are more labels than are counted, those with the most flips, then the commonest."""
    import numpy as np

    targets, n_labels = pair.head.targets, len(pair.head.labels)
    assert targets is not None

    def per_label(rows: np.ndarray) -> np.ndarray:
        if targets.ndim == 2:
            return np.asarray(targets[rows].sum(axis=0))
        return np.bincount(targets[rows], minlength=n_labels)

    examples = per_label(np.ones(len(pair), bool))
    broken, fixed = per_label(on_base & ~on_head), per_label(on_head & ~on_base)
    most_first = np.lexsort((-examples, -(broken + fixed)))
    return tuple(
        FlipCount(label=fit(pair.head.labels[k]), examples=int(examples[k]), broken=int(broken[k]), fixed=int(fixed[k]))
        for k in sorted(most_first[:MAX_LABELS_COUNTED])
        if examples[k]
    )


def _flip(pair: Pair, row: int, was_right: bool, thumbnail_of: Callable[[int], str | None] | None) -> Flip:
    kind: Literal["broken", "fixed"] = "broken" if was_right else "fixed"
    sureness = [confidence(side.take(_only(row))) for side in (pair.base, pair.head)]
    base, head = (None if found is None else float(found[0]) for found in sureness)
    return Flip(
        id=fit(str(pair.head.ids[row])),
        kind=kind,
        target=_text(pair.head, pair.head.targets, row),
        base=_text(pair.base, pair.base.predictions, row),
        head=_text(pair.head, pair.head.predictions, row),
        base_confidence=base,
        head_confidence=head,
        thumbnail=thumbnail_of(row) if thumbnail_of else None,
    )


def _only(row: int) -> np.ndarray:
    import numpy as np

    return np.array([row])


def _text(side: Predictions, column: np.ndarray | None, row: int) -> str:
    assert column is not None
    if column.ndim == 2:
        return fit(SEPARATOR.join(label for label, has in zip(side.labels, column[row], strict=True) if has))
    return fit(side.labels[int(column[row])])

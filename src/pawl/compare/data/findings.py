"""What is wrong with a side's examples: content in two splits, with two labels, or more than once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pawl.compare.data.columns import Codes, names_at, occurs_in
from pawl.schema import Finding

if TYPE_CHECKING:
    import numpy as np


def findings_of_side(
    side: Literal["base", "head"], ids: Any, digests: np.ndarray, splits: np.ndarray, labels: np.ndarray
) -> list[Finding]:
    """What one side shows by itself. digests, splits, labels: (N,) codes, -1 where there is none."""
    import numpy as np

    rows = np.flatnonzero(digests >= 0)
    known = digests[rows]
    _, first = np.unique(known, return_index=True)
    is_repeat = np.ones(len(known), bool)
    is_repeat[first] = False
    found = {
        "in two splits": rows[_several_in(known, splits[rows])],
        "same content, other label": rows[_several_in(known, labels[rows])],
        "repeated": rows[is_repeat],
    }
    return [_finding(kind, side, ids, at) for kind, at in found.items() if len(at)]


def findings_between(ids: Any, digests: Codes, labels: Codes) -> list[Finding]:
    """Examples of head whose content base has too, but never with this label. `ids` are head's."""
    import numpy as np

    n_labels = len(labels.values) + 1
    on_base = (digests.base >= 0) & (labels.base >= 0)
    on_head = (digests.head >= 0) & (labels.head >= 0)
    pairs_base = digests.base[on_base] * n_labels + labels.base[on_base]
    pairs_head = digests.head * n_labels + labels.head
    seen_content = occurs_in(digests.base[on_base], digests.head)
    at = np.flatnonzero(on_head & seen_content & ~np.isin(pairs_head, pairs_base))
    return [_finding("same content, other label", "between", ids, at)] if len(at) else []


def _several_in(digests: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(N,) bool: whether rows of the same digest have two different values; -1 is no value."""
    import numpy as np

    if not len(digests):
        return np.zeros(0, bool)
    size = int(digests.max()) + 1
    present = values >= 0
    least, most = np.full(size, np.iinfo(np.int64).max), np.full(size, -1)
    np.minimum.at(least, digests[present], values[present])
    np.maximum.at(most, digests[present], values[present])
    several: np.ndarray = (most > least)[digests] & present
    return several


def _finding(kind: Any, side: Literal["base", "head", "between"], ids: Any, rows: np.ndarray) -> Finding:
    return Finding(kind=kind, side=side, count=len(rows), names=names_at(ids, rows))

"""A short name for each metric, unique among all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

_GENERIC_STEMS = {"metrics", "scores", "summary", "results", "report", "eval", "predictions"}


def metric_names(wheres: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """(file, key) -> as much of the file's path as tells it from other files, and the key.

    All of the path where that is not enough.
    """
    parts = {path: _telling_parts(path) for path, _ in wheres}
    labels = dict.fromkeys(parts.values(), "")
    for count in range(1, max(map(len, labels), default=0) + 1):
        uses = Counter(labels.values())
        labels |= {part: "/".join(part[-count:]) for part in labels if uses[labels[part]] > 1 or count == 1}
    named = {(path, key): f"{labels[parts[path]]} {key}".strip() or path for path, key in wheres}
    uses = Counter(named.values())
    return {where: name if uses[name] == 1 else f"{where[0]} {where[1]}".strip() for where, name in named.items()}


def _telling_parts(path: str) -> tuple[str, ...]:
    pure = PurePosixPath(path)
    return pure.parent.parts if pure.stem in _GENERIC_STEMS else pure.with_suffix("").parts

"""Which fold tests a patient, and which patients choose the best epoch in each."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import read_json


def fold_name(fold: int) -> str:
    """The name of fold 0, 1, ... in manifest, history and files."""
    return f"fold-{fold}"


def assign_folds(groups: Iterable[str], n_folds: int, seed: int) -> dict[str, int]:
    """The fold of each group, which is named once for each of its studies.

    Shuffled by a seeded digest of the name; the numbers of groups differ by at most one, and those with many studies
    are spread first, so that the numbers of studies differ little.
    Raises TaskError where there are too few groups for a test, a validation and a training group in every fold.
    """
    studies = Counter(groups)
    names = sorted(_shuffled(studies, f"{seed}"), key=lambda name: -studies[name])
    if len(names) < max(n_folds, 3):
        raise TaskError(
            f"there are {len(names)} usable patients for {n_folds} folds, and at least {max(n_folds, 3)} are needed; "
            "add patients or lower the number of folds."
        )
    return {name: place % n_folds for place, name in enumerate(names)}


def choose_validation(fold_of: Mapping[str, int], n_folds: int, fraction: float, seed: int) -> list[list[str]]:
    """For each fold, the groups outside of it that choose its best epoch: that share of them, at least one."""
    chosen = []
    for fold in range(n_folds):
        others = _shuffled((name for name, own in fold_of.items() if own != fold), f"{seed}\0{fold}")
        count = min(max(1, round(fraction * len(others))), len(others) - 1)
        chosen.append(sorted(others[:count]))
    return chosen


def read_folds(path: Path, group_of: Mapping[str, str]) -> tuple[dict[str, int], int]:
    """The fold of each group from a file as PI-CAI has it, and how many folds there are.

    The file is a list with a block a fold, whose `val` lists the studies that the fold tests. group_of: the patient of
    each usable study, each of which must be in `val` of one fold. Raises TaskError otherwise.
    """
    fold_of: dict[str, int] = {}
    of_study: dict[str, int] = {}
    folds = _validated(read_json(path, "fetch"), path)
    for fold, studies in enumerate(folds):
        for study in studies:
            if of_study.setdefault(study, fold) != fold:
                raise TaskError(f"{path}: the study {study!a} is in val of two folds; take it out of one.")
            group = group_of.get(study)
            if group is not None and fold_of.setdefault(group, fold) != fold:
                raise TaskError(
                    f"{path}: the patient {group!a} is in val of two folds; put all their studies into one."
                )
    for study in group_of:
        if study not in of_study:
            raise TaskError(f"{path}: the study {study!a} is in val of no fold; add it to one.")
    for fold in range(len(folds)):
        if fold not in fold_of.values():
            raise TaskError(f"{path}: fold {fold} tests none of the usable studies; take its block out.")
    return fold_of, len(folds)


def _validated(content: Any, path: Path) -> Sequence[Sequence[str]]:
    blocks = content if isinstance(content, list) else []
    folds = [block["val"] for block in blocks if isinstance(block, dict) and _are_texts(block.get("val"))]
    if len(folds) < 2 or len(folds) < len(blocks):
        raise TaskError(f'{path} must be a list of at least two blocks, each with a list of studies under "val".')
    return folds


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _shuffled(names: Iterable[str], salt: str) -> list[str]:
    return sorted(names, key=lambda name: (hashlib.sha256(f"{salt}\0{name}".encode()).digest(), name))

"""Which examples train a model, which choose its epoch, and which judge it."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from tasks.common.stage.params import StageParams

SPLITS = ("train", "validation", "test")


class SplitParams(StageParams):
    """The parameters of every stage that splits; the fractions are of each label's examples."""

    validation_fraction: Annotated[float, Field(gt=0, lt=0.5)]
    test_fraction: Annotated[float, Field(gt=0, lt=0.5)]
    seed: Annotated[int, Field(ge=0)]
    max_rejected_share: Annotated[float, Field(ge=0, lt=1)]


def assign_splits(labels: Sequence[str], groups: Sequence[str], params: SplitParams) -> list[str]:
    """The split of each example: seeded, stratified by label, whole groups only.

    labels, groups: one entry an example. A group counts as its commonest label. The groups of one label are put in the
    order of a seeded digest of their name, and cut into test, validation and train. So the input's order does not
    matter, and a new group moves only groups next to a cut. Where there are at least three, each split gets one.
    """
    members: dict[str, Counter[str]] = defaultdict(Counter)
    for label, group in zip(labels, groups, strict=True):
        members[group][label] += 1
    strata: dict[str, list[str]] = defaultdict(list)
    for group, counts in members.items():
        strata[min(counts, key=lambda label: (-counts[label], label))].append(group)
    split_of: dict[str, str] = {}
    for names in strata.values():
        names.sort(key=lambda name: hashlib.sha256(f"{params.seed}\0{name}".encode()).digest())
        sizes = [members[name].total() for name in names]
        n_test = params.test_fraction * sum(sizes)
        test_end = _cut(sizes, 0, n_test, 2)
        validation_end = _cut(sizes, test_end, n_test + params.validation_fraction * sum(sizes), 1)
        for index, name in enumerate(names):
            split_of[name] = "test" if index < test_end else "validation" if index < validation_end else "train"
    return [split_of[group] for group in groups]


def _cut(sizes: list[int], start: int, wanted: float, leave: int) -> int:
    """The end after `start` up to which the sum of all is nearest to `wanted`; `leave` groups stay behind it."""
    end = start
    total = sum(sizes[:start])
    while end < len(sizes) - leave and (end == start or total + sizes[end] / 2 <= wanted):
        total += sizes[end]
        end += 1
    return end

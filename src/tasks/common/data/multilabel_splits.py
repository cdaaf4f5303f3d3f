"""Splits of examples with several labels each, in which every label has its share."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence

from tasks.common.data.splits import SPLITS, SplitParams

# Each pass costs as much as looking at every group once; hardly any set needs more than three.
_MAX_PASSES = 20


def assign_multilabel_splits(
    labels: Sequence[Collection[str]], groups: Sequence[str], params: SplitParams
) -> list[str]:
    """The split of each example: seeded, stratified by every label, whole groups only.

    labels, groups: one entry an example. Iterative stratification: the label of which the fewest examples are left goes
    first, and each of its groups to the split that lacks most of that label, then most of all examples; the last groups
    of a label go to splits that have none of it yet. What drifted on the way is then put right, group by group, as long
    as that brings the labels nearer to their shares. Groups come in the order of a seeded digest of their name, so the
    input's order does not matter.

    Sechidis, Tsoumakas and Vlahavas 2011, https://doi.org/10.1007/978-3-642-23808-6_10.
    """
    members: dict[str, Counter[str]] = defaultdict(Counter)
    for names, group in zip(labels, groups, strict=True):
        # The whole is a label that every example has.
        members[group].update({"": 1} | {f"={name}": 1 for name in names})
    order = sorted(members, key=lambda name: hashlib.sha256(f"{params.seed}\0{name}".encode()).digest())
    fractions = {"validation": params.validation_fraction, "test": params.test_fraction}
    fractions["train"] = 1 - sum(fractions.values())
    shares = _Shares(members, fractions)
    waiting = order
    while waiting:
        left: Counter[str] = Counter()
        for group in waiting:
            left.update(members[group])
        label = min(left, key=lambda name: (name == "", left[name], name))
        chosen = [group for group in waiting if label in members[group]]
        for number, group in enumerate(chosen):
            without = [split for split in SPLITS if not shares.has[split][label]]
            candidates = without if 0 < len(without) >= len(chosen) - number else SPLITS
            shares.place(
                group, max(candidates, key=lambda split: (shares.lacks(split, label), shares.lacks(split, "")))
            )
        waiting = [group for group in waiting if group not in shares.split_of]
    for _ in range(_MAX_PASSES):
        if sum(shares.improve(group) for group in order) == 0:
            break
    return [shares.split_of[group] for group in groups]


class _Shares:
    """Which split each group is in, and how much of each label each split has."""

    def __init__(self, members: Mapping[str, Counter[str]], fractions: Mapping[str, float]) -> None:
        self.split_of: dict[str, str] = {}
        self.has: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
        self._members = members
        self._fractions = fractions
        self._totals: Counter[str] = Counter()
        for counts in members.values():
            self._totals.update(counts)

    def lacks(self, split: str, label: str) -> float:
        """How many examples of the label the split has too few of, below 0 for too many."""
        return self._fractions[split] * self._totals[label] - self.has[split][label]

    def place(self, group: str, split: str) -> None:
        """Put the group into the split."""
        self.split_of[group] = split
        self.has[split].update(self._members[group])

    def improve(self, group: str) -> bool:
        """Move the group to where the squares of what splits lack become least; whether that was elsewhere."""
        here = self.split_of[group]
        counts = self._members[group]
        if any(self.has[here][label] == count for label, count in counts.items()):
            # The last of a label stays, or the split would have none.
            return False
        gains = {there: self._gain(counts, here, there) for there in SPLITS if there != here}
        best = max(gains, key=lambda split: gains[split])
        if gains[best] <= 1e-9:
            return False
        self.has[here].subtract(counts)
        self.place(group, best)
        return True

    def _gain(self, counts: Counter[str], here: str, there: str) -> float:
        return sum(
            2 * count * (self.lacks(there, label) - self.lacks(here, label) - count) / self._totals[label]
            for label, count in counts.items()
        )

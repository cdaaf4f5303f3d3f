"""Counts of (target, base, head), which hold all that a metric of labels can know, and what other draws had given.

Shapes: N examples, K labels, M different triples, G groups, R resamples.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pawl.compare.statistics.label_metrics import LabelMetric

if TYPE_CHECKING:
    import numpy as np

_NUMBERS_AT_ONCE = 2_000_000
_MAX_DRAWS = 10_000_000
_MAX_PRODUCTS = 4_000_000_000


@dataclass(frozen=True)
class LabelTable:
    """How often each triple occurs; with the examples' own places where groups are needed."""

    n_labels: int
    triples: np.ndarray
    """(M, 3) places of target, base's prediction and head's."""
    counts: np.ndarray
    """(M,)"""
    of_example: np.ndarray
    """(N,) the triple of each example."""

    def confusions(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The shares (R, K, K) of base and head in tables of `counts` (R, M)."""
        import numpy as np

        shares = counts / counts.sum(axis=1, keepdims=True)
        sides = []
        for side in (1, 2):
            cell = self.triples[:, 0] * self.n_labels + self.triples[:, side]
            order = np.argsort(cell, kind="stable")
            starts = np.flatnonzero(np.diff(cell[order], prepend=-1))
            confusion = np.zeros((len(counts), self.n_labels**2))
            confusion[:, cell[order][starts]] = np.add.reduceat(shares[:, order], starts, axis=1)
            sides.append(confusion.reshape(-1, self.n_labels, self.n_labels))
        return sides[0], sides[1]

    def contrast(self, metric: LabelMetric, levels: np.ndarray) -> tuple[float, float, np.ndarray, float]:
        """Base's value, head's, by triple (M,) how much more an example moves head's than base's, and a flip.

        The flip is the mean square of what an example moves that is right on one side and wrong on the other.
        """
        import numpy as np

        base, head = self.confusions(self.counts[None, :])
        base_value, base_moves = metric(base, levels)
        head_value, head_moves = metric(head, levels)
        target, said_base, said_head = self.triples.T
        moves = head_moves[0, target, said_head] - base_moves[0, target, said_base]
        either = ((base + head) / 2)[0]
        both_moves = ((base_moves + head_moves) / 2)[0]
        lost = (np.diag(both_moves)[:, None] - both_moves) ** 2
        # Half an example for each label, or one that was never predicted could not be.
        said = either.sum(axis=0) + 0.5 / self.counts.sum()
        weights = np.where(np.eye(self.n_labels, dtype=bool), 0, said[None, :])
        shares = either.sum(axis=1)[:, None] * weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-300)
        return float(base_value[0]), float(head_value[0]), moves, float((shares * lost).sum())

    def recall_variances(self) -> list[tuple[int, float]]:
        """Of each label that occurs as target its examples, and the variance of the difference of its recalls."""
        import numpy as np

        target, base, head = self.triples.T
        gained = (head == target).astype(np.float64) - (base == target)
        examples = np.bincount(target, weights=self.counts, minlength=self.n_labels)
        sums = np.bincount(target, weights=self.counts * gained, minlength=self.n_labels)
        squares = np.bincount(target, weights=self.counts * gained**2, minlength=self.n_labels)
        return [
            (int(n), float(max(square - total**2 / n, 0.0) / n**2))
            for n, total, square in zip(examples, sums, squares, strict=True)
            if n
        ]

    def f1_variances(self) -> list[tuple[int, float]]:
        """Of each label that occurs as target its examples, and the variance of the difference of its F1."""
        import numpy as np

        target, base, head = self.triples.T
        examples = np.bincount(target, weights=self.counts, minlength=self.n_labels)
        # What a hit, a miss and a false alarm of each label move its F1, on each side: (K,).
        moves = []
        for said in (base, head):
            named = np.maximum(examples + np.bincount(said, weights=self.counts, minlength=self.n_labels), 1)
            hits = np.bincount(target, weights=self.counts * (said == target), minlength=self.n_labels)
            f1 = 2 * hits / named
            moves.append(((2 - 2 * f1) / named, -f1 / named))
        # An example moves the F1 of its target, of what base said and of what head said.
        (base_hit, base_named), (head_hit, head_named) = moves
        of_target = np.where(head == target, head_hit[target], head_named[target])
        of_target -= np.where(base == target, base_hit[target], base_named[target])
        of_base = np.where(base == target, 0, (head == base) * head_named[base] - base_named[base])
        of_head = np.where((head == target) | (head == base), 0, head_named[head])
        squares = np.zeros(self.n_labels)
        for label, moved in ((target, of_target), (base, of_base), (head, of_head)):
            squares += np.bincount(label, weights=self.counts * moved**2, minlength=self.n_labels)
        return [(int(n), float(square)) for n, square in zip(examples, squares, strict=True) if n]


def label_table(targets: np.ndarray, base: np.ndarray, head: np.ndarray, n_labels: int) -> LabelTable:
    """The table of places (N,) in the labels."""
    import numpy as np

    code = (targets * n_labels + base) * n_labels + head
    if n_labels**3 <= max(len(code), 1_000_000):
        all_counts = np.bincount(code, minlength=n_labels**3)
        found = np.flatnonzero(all_counts)
        counts = all_counts[found]
        of_example = np.searchsorted(found, code)
    else:
        found, of_example, counts = np.unique(code, return_inverse=True, return_counts=True)
    triples = np.stack([found // n_labels**2, found // n_labels % n_labels, found % n_labels], axis=1)
    return LabelTable(n_labels, triples, counts, of_example)


def resampled(
    table: LabelTable, groups: np.ndarray | None, resamples: int, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]] | None:
    """Confusion matrices (r, K, K) of base and head in other draws of the examples, a block of draws at a time.

    Without groups a draw is one of a multinomial distribution over the triples; with them as many groups are drawn as
    there are. None where that would take too long; there are then enough examples to do without.
    """
    import numpy as np

    n_groups = 0 if groups is None else int(groups.max()) + 1
    n_triples, n_cells = len(table.counts), table.n_labels**2
    if resamples * (n_groups or n_triples) > _MAX_DRAWS or resamples * n_cells > 4 * _MAX_DRAWS:
        return None
    if resamples * n_groups * n_triples > _MAX_PRODUCTS:
        return None
    random = np.random.default_rng(seed)

    def blocks() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        per_group = None
        if groups is not None:
            flat = np.bincount(groups * n_triples + table.of_example, minlength=n_groups * n_triples)
            per_group = flat.reshape(n_groups, -1).astype(np.float64)
        step = max(1, _NUMBERS_AT_ONCE // max(n_cells, n_triples, n_groups))
        for start in range(0, resamples, step):
            rows = min(step, resamples - start)
            if per_group is None:
                drawn: np.ndarray = random.multinomial(table.counts.sum(), table.counts / table.counts.sum(), size=rows)
            else:
                drawn = random.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=rows) @ per_group
            yield table.confusions(drawn)

    return blocks()

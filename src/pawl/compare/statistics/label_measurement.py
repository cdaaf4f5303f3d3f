"""Metrics of single labels, measured: shares by the score interval, all others from the counts of triples."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import TYPE_CHECKING

from pawl.compare.statistics.intervals import (
    Measurement,
    by_influence,
    mean_group_size,
    of_classes,
    spread_of,
    t_interval,
)
from pawl.compare.statistics.label_metrics import LABEL_METRICS, LabelMetric
from pawl.compare.statistics.label_tables import LabelTable, label_table, resampled
from pawl.compare.statistics.names import RECALL, grades
from pawl.compare.statistics.pairing import Pair
from pawl.compare.statistics.proportions import score_interval_of

if TYPE_CHECKING:
    import numpy as np

_SHARES = ("accuracy", "micro_f1")
_MEANS_OF_CLASSES = ("balanced_accuracy", "macro_f1")


def measure_labels(
    pair: Pair, groups: np.ndarray | None, names: Collection[str], resamples: int, seed: int
) -> dict[str, Measurement]:
    """The metrics of labels among `names`, of a classification; others are left out, and recalls without examples.

    `mae` is of grades only, labels that are whole numbers; `qwk` of other labels takes their order for grades.
    """
    import numpy as np

    targets, base, head = pair.base.targets, pair.base.predictions, pair.head.predictions
    assert targets is not None
    assert base is not None
    assert head is not None
    labels = pair.base.labels
    table = label_table(targets, base, head, len(labels))
    found: dict[str, Measurement] = {}
    for name in names:
        label = labels.index(name[len(RECALL) :]) if name.startswith(RECALL) and name[len(RECALL) :] in labels else None
        if groups is None and name in _SHARES:
            found[name] = _share(table, None)
        elif label is not None and (targets == label).any():
            one = _share(table, label) if groups is None else _share_by_groups(table, label, groups)
            found |= {} if one is None else {name: one}
    levels = np.array(grades(labels) or range(len(labels)), dtype=np.float64)
    metrics = {name: metric for name, metric in LABEL_METRICS.items() if name in names and name not in found}
    if grades(labels) is None:
        metrics.pop("mae", None)
    draws = _draws(table, groups, metrics, levels, resamples, seed)
    return found | {name: _from_table(table, groups, name, levels, draws.get(name), resamples) for name in metrics}


def _from_table(
    table: LabelTable,
    groups: np.ndarray | None,
    name: str,
    levels: np.ndarray,
    draws: np.ndarray | None,
    resamples: int,
) -> Measurement:
    """One metric; `draws` (R,) its difference in other draws of the test set."""
    base, head, by_triple, flip = table.contrast(LABEL_METRICS[name], levels)
    if groups is None:
        spread = spread_of(by_triple, table.counts)
    else:
        spread = spread_of(by_triple[table.of_example], groups=groups)
    variance, freedom = spread.variance, spread.degrees_of_freedom
    method = by_influence(groups)
    if draws is not None and spread.plain_variance:
        # The draws know what a derivative does not, and nothing of the corrections for few examples or groups.
        variance *= float(draws.var(ddof=1)) / spread.plain_variance
    if draws is not None:
        method = f"bootstrap of {resamples:,} {'multinomial tables' if groups is None else 'draws of the groups'}"
    if name in _MEANS_OF_CLASSES:
        parts = table.recall_variances() if name == "balanced_accuracy" else table.f1_variances()
        rare = of_classes(parts)
        variance = max(variance, spread.variance + rare.missing_variance / len(parts) ** 2)
        freedom = min(freedom, rare.degrees_of_freedom)
    n = len(table.of_example)
    # As if two examples had changed sides: nowhere is it certain that none would.
    least = 2 * mean_group_size(groups) * (flip or 1.0) / n**2
    return Measurement(base, head, t_interval(head - base, math.sqrt(max(variance, least)), freedom), method, n)


def _share(table: LabelTable, label: int | None) -> Measurement:
    """The accuracy, or the recall of a label, by the score interval."""
    target, base, head = table.triples.T
    counts = table.counts if label is None else table.counts * (target == label)
    examples = int(counts.sum())
    base_right, head_right = int(counts[base == target].sum()), int(counts[head == target].sum())
    both = int(counts[(base == target) & (head == target)].sum())
    interval = score_interval_of(examples, base_right - both, head_right - both)
    return Measurement(base_right / examples, head_right / examples, interval, "score interval of Tango", examples)


def _share_by_groups(table: LabelTable, label: int, groups: np.ndarray) -> Measurement | None:
    """The recall of a label where its examples are in groups; None where they are in one group."""
    import numpy as np

    target, base, head = table.triples[table.of_example].T
    there = target == label
    base_right, head_right = base[there] == label, head[there] == label
    own_groups = np.unique(groups[there], return_inverse=True)[1]
    if not own_groups.any():
        return None
    gained = head_right.astype(np.float64) - base_right
    spread = spread_of(gained - gained.mean(), groups=own_groups)
    n = len(gained)
    least = 2 * mean_group_size(own_groups) / n**2
    interval = t_interval(float(gained.mean()), math.sqrt(max(spread.variance, least)), spread.degrees_of_freedom)
    return Measurement(float(base_right.mean()), float(head_right.mean()), interval, by_influence(groups), n)


def _draws(
    table: LabelTable,
    groups: np.ndarray | None,
    metrics: dict[str, LabelMetric],
    levels: np.ndarray,
    resamples: int,
    seed: int,
) -> dict[str, np.ndarray]:
    """The differences (R,) in other draws of the test set; of no metric where that would take too long."""
    import numpy as np

    # A mean of recalls has all its spread in its influences.
    drawn = {name: metric for name, metric in metrics.items() if name != "balanced_accuracy"}
    blocks = resampled(table, groups, resamples, seed) if drawn else None
    if blocks is None:
        return {}
    parts: dict[str, list[np.ndarray]] = {name: [] for name in drawn}
    for base, head in blocks:
        for name, metric in drawn.items():
            parts[name].append(metric(head, levels)[0] - metric(base, levels)[0])
    return {name: np.concatenate(part) for name, part in parts.items()}

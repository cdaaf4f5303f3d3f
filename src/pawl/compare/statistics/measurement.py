"""One metric of a pair, measured: which method each kind of metric gets."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import TYPE_CHECKING

from pawl.compare.statistics.calibration import calibration_contrast
from pawl.compare.statistics.contrasts import contrast_of
from pawl.compare.statistics.intervals import Measurement, by_influence, mean_group_size, spread_of, t_interval
from pawl.compare.statistics.label_measurement import measure_labels
from pawl.compare.statistics.pairing import Pair

if TYPE_CHECKING:
    import numpy as np


def measure(
    pair: Pair, groups: np.ndarray | None, names: Collection[str], resamples: int, seed: int
) -> dict[str, Measurement]:
    """The metrics of `names` that the predictions give; `groups` (N,) numbers from 0, at least two."""
    is_classification = pair.base.kind == "classification"
    # A value per example under the name of a metric is not that metric.
    own = [name for name in names if name not in pair.base.values]
    found = measure_labels(pair, groups, own, resamples, seed) if is_classification else {}
    for name in names:
        if name == "calibration_error" and name in own:
            one = _calibration(pair, groups, resamples, seed) if is_classification else None
        else:
            one = None if name in found else _from_influences(pair, groups, name)
        if one is not None:
            found[name] = one
    return found


def _calibration(pair: Pair, groups: np.ndarray | None, resamples: int, seed: int) -> Measurement | None:
    targets, base, head = pair.base.targets, pair.base.scores, pair.head.scores
    if targets is None or base is None or head is None:
        return None
    n = len(pair)
    found = calibration_contrast(targets, base, head, groups, resamples, seed)
    units = n if groups is None else int(groups.max()) + 1
    least = 2 * (found.base**2 + found.head**2) / n**2 or 1 / n**2
    interval = t_interval(found.head - found.base, math.sqrt(max(found.mean_square, least)), float(units - 1))
    return Measurement(found.base, found.head, interval, f"simulation of {resamples:,} calibrations", n)


def _from_influences(pair: Pair, groups: np.ndarray | None, name: str) -> Measurement | None:
    contrast = contrast_of(pair, name)
    if contrast is None:
        return None
    n = len(pair)
    spread = spread_of(contrast.influence, groups=groups)
    variance = spread.variance + contrast.missing_variance
    # As if two examples had changed: nowhere is it certain that none would.
    variance = variance or 2 * mean_group_size(groups) * (contrast.flip or 1.0) / n**2
    freedom = min(spread.degrees_of_freedom, contrast.degrees_of_freedom)
    method = by_influence(groups)
    if name == "auroc" and name not in pair.base.values:
        method = "DeLong" if groups is None else "DeLong, by groups as Obuchowski"
    interval = t_interval(contrast.head - contrast.base, math.sqrt(variance), freedom)
    return Measurement(contrast.base, contrast.head, interval, method, n)

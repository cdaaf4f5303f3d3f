"""Metrics of predicted numbers: targets and predictions (N,) float64."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pawl.compare.statistics.estimate import Estimate, mean

if TYPE_CHECKING:
    import numpy as np


def mean_absolute_error(targets: np.ndarray, predictions: np.ndarray) -> Estimate:
    """Mean distance."""
    import numpy as np

    return mean(np.abs(predictions - targets))


def root_mean_squared_error(targets: np.ndarray, predictions: np.ndarray) -> Estimate:
    """Root of the mean squared distance."""
    squared = mean((predictions - targets) ** 2)
    value = math.sqrt(squared.value)
    return Estimate(value, squared.influence / (2 * value) if value else squared.influence)


def r_squared(targets: np.ndarray, predictions: np.ndarray) -> Estimate:
    """1 less the squared error by that of the targets' mean; targets must not be all alike."""
    error = mean((predictions - targets) ** 2)
    spread = mean((targets - targets.mean()) ** 2)
    ratio = error.value / spread.value
    return Estimate(1 - ratio, (ratio * spread.influence - error.influence) / spread.value)

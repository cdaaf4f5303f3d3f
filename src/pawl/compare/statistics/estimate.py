"""A metric's value, and how much each example moves it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Estimate:
    """A metric of N examples.

    The influence of an example is the derivative of the metric by the example's weight, times N: what the metric would
    change, N-fold, if the test set had slightly more of it. Influences have the mean 0, and the variance of the metric
    is nearly the mean of their squares by N. Hampel 1974, https://doi.org/10.1080/01621459.1974.10482962; as a variance
    Efron 1981, https://doi.org/10.1093/biomet/68.3.589, under the name of infinitesimal jackknife.
    """

    value: float
    influence: np.ndarray
    """(N,) float64, in the metric's own unit."""


def mean(values: np.ndarray) -> Estimate:
    """The mean of values (N,)."""
    value = float(values.mean())
    return Estimate(value, values - value)

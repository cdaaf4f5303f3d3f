"""The difference of two calibration errors: sums of absolute values, so chance makes them larger and not only other.

Shapes: N examples, B bins of each side, base's before head's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pawl.compare.statistics.score_metrics import CALIBRATION_BINS, confidence_gaps

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class CalibrationContrast:
    """The calibration errors of both sides."""

    base: float
    head: float
    mean_square: float
    """How far chance moves the difference, and how much more it enlarges one side's error than the other's; squared."""


def calibration_contrast(
    targets: np.ndarray,
    base_scores: np.ndarray,
    head_scores: np.ndarray,
    groups: np.ndarray | None,
    resamples: int,
    seed: int,
) -> CalibrationContrast:
    """Places (N,), scores (N, K), and numbers of groups from 0.

    The mean gaps of the bins are nearly normal, so other draws of the test set are drawn from that distribution: for
    the spread around the gaps as they are, for the bias around gaps from which the part that chance gives them was
    taken. Its size stays uncertain where gaps are no larger than chance makes them, so it is not taken off.
    """
    import numpy as np

    bins, gaps = zip(*(confidence_gaps(targets, scores) for scores in (base_scores, head_scores)), strict=True)
    means, covariance = _bin_means(bins, gaps, groups)
    without_chance = np.sqrt(np.maximum(means**2 - np.diag(covariance), 0)) * np.sign(means)
    values, vectors = np.linalg.eigh(covariance)
    noise = np.random.default_rng(seed).standard_normal((resamples, len(means)))
    noise = noise * np.sqrt(np.maximum(values, 0)) @ vectors.T
    bias = _difference(without_chance + noise).mean() - _difference(without_chance)
    errors = np.abs(means).reshape(2, -1).sum(axis=1)
    return CalibrationContrast(
        float(errors[0]), float(errors[1]), float(_difference(means + noise).var(ddof=1) + bias**2)
    )


def _difference(gaps: np.ndarray) -> np.ndarray:
    """Head's calibration error less base's, of gaps (..., 2 B)."""
    import numpy as np

    errors = np.abs(gaps).reshape(*gaps.shape[:-1], 2, -1).sum(axis=-1)
    return errors[..., 1] - errors[..., 0]


def _bin_means(
    bins: tuple[np.ndarray, ...], gaps: tuple[np.ndarray, ...], groups: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """(2 B,) each bin's share of the mean gap, and the covariance of these."""
    import numpy as np

    n, n_bins = len(bins[0]), CALIBRATION_BINS
    sums = np.stack([np.bincount(bins[s], weights=gaps[s], minlength=n_bins) for s in (0, 1)]).ravel()
    if groups is None:
        products = np.zeros((2 * n_bins, 2 * n_bins))
        for one in (0, 1):
            for other in (0, 1):
                cell = bins[one] * n_bins + bins[other]
                block = np.bincount(cell, weights=gaps[one] * gaps[other], minlength=n_bins**2)
                rows, columns = slice(one * n_bins, (one + 1) * n_bins), slice(other * n_bins, (other + 1) * n_bins)
                products[rows, columns] = block.reshape(n_bins, n_bins)
        return sums / n, (products - np.outer(sums, sums) / n) / n / (n - 1)
    sizes = np.bincount(groups)
    of_groups = np.empty((len(sizes), 2 * n_bins))
    for side in (0, 1):
        cell = groups * n_bins + bins[side]
        flat = np.bincount(cell, weights=gaps[side], minlength=len(sizes) * n_bins)
        of_groups[:, side * n_bins : (side + 1) * n_bins] = flat.reshape(-1, n_bins)
    of_groups -= sizes[:, None] / n * sums
    of_groups /= np.sqrt(1 - sizes / n)[:, None]
    return sums / n, np.einsum("gi,gj->ij", of_groups, of_groups) / n**2

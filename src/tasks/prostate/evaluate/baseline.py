"""What brightness alone achieves: the best threshold of a fold's training slices on its test volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.common.evaluation.segmentation import best_threshold, dice, overlap_counts
from tasks.prostate.model.prepared import Prepared
from tasks.prostate.model.scoring import gland_mask

if TYPE_CHECKING:
    import numpy as np

LEVELS = 256
# Where slices are not bytes they have mean 0 and deviation 1.
_RANGE = (-4.0, 4.0)


def threshold_dice(prepared: Prepared) -> list[float]:
    """The Dice of each volume, in order, by the better of all bright voxels and their largest connected part.

    The better one of the two over all volumes: a baseline is to be as good as it can be.
    """
    scores: dict[bool, dict[int, float]] = {False: {}, True: {}}
    for fold in prepared.folds:
        inside, outside = _histograms(prepared, fold)
        level, above = best_threshold(inside, outside)
        for volume in prepared.part(fold, "test"):
            where = prepared.slices(volume)
            levels = _levels(prepared.images[where])
            bright = levels >= level if above else levels < level
            for largest in scores:
                mask = gland_mask(bright, 0.5, largest)
                hit, predicted, _ = overlap_counts(prepared.masks[where], mask)
                scores[largest][volume] = dice(hit, predicted, prepared.volumes[volume].target_voxels)
    best = max(scores.values(), key=lambda of_volume: sum(of_volume.values()))
    return [best[volume] for volume in range(len(prepared.volumes))]


def _histograms(prepared: Prepared, fold: str) -> tuple[np.ndarray, np.ndarray]:
    """(L,) voxels of each level in the gland and out of it, in the fold's training slices."""
    import numpy as np

    counts = np.zeros((2, LEVELS), np.int64)
    for volume in prepared.part(fold, "train"):
        where = prepared.slices(volume)
        levels, mask = _levels(prepared.images[where]), prepared.masks[where] > 0
        counts[0] += np.bincount(levels[mask], minlength=LEVELS)
        counts[1] += np.bincount(levels[~mask], minlength=LEVELS)
    return counts[0], counts[1]


def _levels(images: np.ndarray) -> np.ndarray:
    import numpy as np

    if images.dtype == np.uint8:
        return images
    low, high = _RANGE
    return (np.clip((images - low) / (high - low), 0, 1) * (LEVELS - 1)).astype(np.uint8)

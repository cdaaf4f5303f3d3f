"""From a scanner's voxels to slices of equal size in millimetres, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tasks.common.stage.errors import TaskError

if TYPE_CHECKING:
    import numpy as np
    import SimpleITK

Interpolation = Literal["linear", "bspline"]
Intensity = Literal["8bit", "zscore"]

AXES = "LPS"
"""The columns of a slice go to the patient's left, the rows to the back, the slices to the head."""


@dataclass(frozen=True)
class Recipe:
    """How slices are cut from a volume; all that is needed to do it again."""

    slice_mm: float
    """From slice to slice."""
    pixel_mm: float
    side_pixels: int
    interpolation: Interpolation
    clip_percentiles: tuple[float, float]
    """Of the volume's own voxels: what is darker or brighter counts as these."""
    intensity: Intensity
    """`8bit`: 0 to 255 between the percentiles. `zscore`: mean 0 and deviation 1 over the volume's clipped voxels."""


def read_recipe(content: Mapping[str, Any], where: str) -> Recipe:
    """The recipe that was written down as `content`. Raises TaskError where it is none."""
    try:
        low, high = content["clip_percentiles"]
        recipe = Recipe(**dict(content) | {"clip_percentiles": (low, high)})
    except (KeyError, TypeError, ValueError):
        raise TaskError(f"{where}: the card does not say how slices are cut; run the stage train again.") from None
    return recipe


def target_grid(volume: SimpleITK.Image, recipe: Recipe, side_pixels: int | None = None) -> SimpleITK.Image:
    """An empty image on the slices to be: about the volume's centre, along its own axes in the order of AXES.

    The centre of the volume, not of the gland: where the gland is, is what the model is to find.
    """
    import numpy as np
    import SimpleITK

    side = side_pixels or recipe.side_pixels
    oriented = SimpleITK.DICOMOrient(volume, AXES)
    size = np.array(oriented.GetSize())
    centre_mm = np.array(oriented.TransformContinuousIndexToPhysicalPoint(((size - 1) / 2).tolist()))
    n_slices = max(1, round(size[2] * oriented.GetSpacing()[2] / recipe.slice_mm))
    spacing = np.array([recipe.pixel_mm, recipe.pixel_mm, recipe.slice_mm])
    direction = np.array(oriented.GetDirection()).reshape(3, 3)
    grid = SimpleITK.Image([side, side, n_slices], SimpleITK.sitkUInt8)
    grid.SetSpacing(spacing.tolist())
    grid.SetDirection(oriented.GetDirection())
    grid.SetOrigin((centre_mm - direction @ ((np.array([side, side, n_slices]) - 1) / 2 * spacing)).tolist())
    return grid


def cut_slices(volume: SimpleITK.Image, grid: SimpleITK.Image, recipe: Recipe) -> np.ndarray:
    """The volume on the grid, clipped and scaled: (D, H, W) uint8 or float32.

    What lies outside of the volume is as dark as what is clipped below.
    """
    import numpy as np
    import SimpleITK

    voxels = SimpleITK.GetArrayViewFromImage(volume)
    low, high = (float(value) for value in np.percentile(voxels, recipe.clip_percentiles))
    interpolator = SimpleITK.sitkBSpline if recipe.interpolation == "bspline" else SimpleITK.sitkLinear
    resampled = SimpleITK.Resample(volume, grid, SimpleITK.Transform(), interpolator, low, SimpleITK.sitkFloat32)
    slices = np.clip(SimpleITK.GetArrayFromImage(resampled), low, high)
    if high == low:
        return np.zeros_like(slices, np.uint8 if recipe.intensity == "8bit" else np.float32)
    if recipe.intensity == "8bit":
        return np.round((slices - low) * (255 / (high - low))).astype(np.uint8)
    clipped = np.clip(voxels, low, high).astype(np.float64)
    return ((slices - clipped.mean()) / clipped.std()).astype(np.float32)


def cut_mask(mask: SimpleITK.Image, grid: SimpleITK.Image) -> np.ndarray:
    """The mask on the grid by its nearest voxel: (D, H, W) uint8, 0 or 1."""
    import SimpleITK

    nearest = SimpleITK.Resample(
        mask, grid, SimpleITK.Transform(), SimpleITK.sitkNearestNeighbor, 0, SimpleITK.sitkUInt8
    )
    return SimpleITK.GetArrayFromImage(nearest)


def gland_voxels(mask: SimpleITK.Image, volume: SimpleITK.Image, recipe: Recipe) -> int:
    """Voxels of the gland on a grid wide enough for all of the volume, so that a crop cannot hide any."""
    oriented_extent_mm = max(n * mm for n, mm in zip(volume.GetSize(), volume.GetSpacing(), strict=True))
    needed = -(-int(oriented_extent_mm) // recipe.pixel_mm) + 2
    # Of the same parity as the crop, so that the pixels are the same ones.
    side = max(recipe.side_pixels, int(needed) + (int(needed) - recipe.side_pixels) % 2)
    return int(cut_mask(mask, target_grid(volume, recipe, side)).sum())


def paste_slices(slices: np.ndarray, grid: SimpleITK.Image, volume: SimpleITK.Image) -> np.ndarray:
    """Values (D, H, W) on the grid, interpolated at the voxels of `volume` as it is stored; 0 outside of the grid."""
    import numpy as np
    import SimpleITK

    image = SimpleITK.GetImageFromArray(slices.astype(np.float32))
    image.CopyInformation(grid)
    back = SimpleITK.Resample(image, volume, SimpleITK.Transform(), SimpleITK.sitkLinear, 0.0, SimpleITK.sitkFloat32)
    return SimpleITK.GetArrayFromImage(back)

"""Chance in the training split alone: eyes have no upside, and cameras differ in light."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from tasks.common.stage.params import StageParams

if TYPE_CHECKING:
    import numpy as np


class Augmentation(StageParams):
    """`retinopathy.train.augmentation`."""

    flip: bool
    rotation_degrees: Annotated[float, Field(ge=0, le=180)]
    brightness: Annotated[float, Field(ge=0, lt=1)]
    contrast: Annotated[float, Field(ge=0, lt=1)]


def augment(images: np.ndarray, augmentation: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Flipped, turned and lit by chance: (B, H, W, 3) uint8 to the same."""
    import numpy as np
    from PIL import Image

    n = len(images)
    flipped = rng.random((n, 2)) < 0.5
    degrees = rng.uniform(-augmentation.rotation_degrees, augmentation.rotation_degrees, n)
    gains = 1 + rng.uniform(-augmentation.contrast, augmentation.contrast, n)
    shifts = 255 * rng.uniform(-augmentation.brightness, augmentation.brightness, n)
    changed = np.empty_like(images)
    for index, pixels in enumerate(images):
        if augmentation.flip:
            pixels = pixels[:: -1 if flipped[index, 0] else 1, :: -1 if flipped[index, 1] else 1]
        image = Image.fromarray(np.ascontiguousarray(pixels))
        if augmentation.rotation_degrees:
            image = image.rotate(float(degrees[index]), Image.Resampling.BILINEAR)
        if augmentation.contrast or augmentation.brightness:
            levels = np.clip((np.arange(256) - 128) * gains[index] + 128 + shifts[index], 0, 255)
            image = image.point([int(level) for level in levels] * 3)
        changed[index] = np.asarray(image)
    return changed

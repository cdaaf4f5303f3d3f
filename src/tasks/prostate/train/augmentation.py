"""What another patient in another scanner could have looked like; of training slices only."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def augment(
    images: np.ndarray,
    masks: np.ndarray,
    flip_share: float,
    brightness: float,
    shift_pixels: int,
    generator: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Images and masks (B, H, W, 1), about 0 and 0 to 1, to the same shapes; the arguments stay as they are.

    flip_share: of slices mirrored left to right. brightness: images are scaled by up to this share, and shifted by up
    to this much, either way. shift_pixels: moved by up to so many rows and columns, the edge's pixels repeated.
    """
    import numpy as np

    n = len(images)
    images, masks = images.copy(), masks.copy()
    flipped = generator.random(n) < flip_share
    images[flipped], masks[flipped] = images[flipped, :, ::-1], masks[flipped, :, ::-1]
    if shift_pixels:
        height, width = images.shape[1:3]
        for index, (down, right) in enumerate(generator.integers(-shift_pixels, shift_pixels + 1, (n, 2))):
            rows = np.clip(np.arange(height) - down, 0, height - 1)
            columns = np.clip(np.arange(width) - right, 0, width - 1)
            images[index], masks[index] = images[index][rows][:, columns], masks[index][rows][:, columns]
    scale = generator.uniform(1 - brightness, 1 + brightness, (n, 1, 1, 1)).astype(np.float32)
    offset = generator.uniform(-brightness, brightness, (n, 1, 1, 1)).astype(np.float32)
    return images * scale + offset, masks

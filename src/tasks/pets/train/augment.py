"""Training images as they might also have been taken: mirrored, and moved by a few pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from tasks.common.stage.params import StageParams

if TYPE_CHECKING:
    import numpy as np


class AugmentParams(StageParams):
    """`pets.train.augment`."""

    flip_probability: Annotated[float, Field(ge=0, le=1)]
    shift_pixels: Annotated[int, Field(ge=0)]


def augment(images: np.ndarray, params: AugmentParams, random: np.random.Generator) -> np.ndarray:
    """(B, S, S, C), each mirrored left to right or not, and moved up to `shift_pixels` on each axis.

    What is moved in from outside repeats the edge.
    """
    import numpy as np

    n_images, height, width, _ = images.shape
    reach = params.shift_pixels
    flipped = random.random(n_images) < params.flip_probability
    down, right = random.integers(-reach, reach + 1, (2, n_images))
    rows = np.clip(np.arange(height)[None, :] - down[:, None], 0, height - 1)  # (B, S)
    columns = np.clip(np.arange(width)[None, :] - right[:, None], 0, width - 1)
    columns[flipped] = columns[flipped, ::-1]
    return images[np.arange(n_images)[:, None, None], rows[:, :, None], columns[:, None, :]]

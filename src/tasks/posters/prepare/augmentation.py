"""Copies of training posters, turned and scaled a little, made once so that training only reads them."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from tasks.common.stage.params import StageParams

if TYPE_CHECKING:
    import numpy as np


class AugmentationParams(StageParams):
    """`posters.prepare.augmentation`."""

    copies: Annotated[int, Field(ge=0, le=20)]
    max_rotation_deg: Annotated[float, Field(ge=0, le=180)]
    min_scale: Annotated[float, Field(ge=0.5, le=1)]
    max_scale: Annotated[float, Field(ge=1, le=2)]


@dataclass(frozen=True)
class Change:
    """How one copy differs from its original."""

    rotation_deg: float
    scale: float

    def __str__(self) -> str:
        return f"turned {self.rotation_deg:.1f} deg, scaled {self.scale:.2f}"


def choose_change(example_id: str, copy: int, seed: int, params: AugmentationParams) -> Change:
    """The change of copy number `copy` of an example: the same whatever other examples there are."""
    import numpy as np

    rng = np.random.default_rng(list(hashlib.sha256(f"{seed}\0{example_id}\0{copy}".encode()).digest()))
    return Change(
        float(rng.uniform(-params.max_rotation_deg, params.max_rotation_deg)),
        float(rng.uniform(params.min_scale, params.max_scale)),
    )


def apply_change(pixels: np.ndarray, change: Change) -> np.ndarray:
    """The pixels (S, S, 3) uint8 turned and scaled about their centre; what comes in from outside repeats the edge."""
    import numpy as np
    from PIL import Image

    side = len(pixels)
    # The farthest point that a corner can come from, whatever the angle.
    margin = math.ceil(side / 2 * (math.sqrt(2) / change.scale - 1)) + 2 if change.scale < math.sqrt(2) else 2
    padded = Image.fromarray(np.pad(pixels, ((margin, margin), (margin, margin), (0, 0)), mode="edge"))
    angle = math.radians(change.rotation_deg)
    cosine, sine = math.cos(angle) / change.scale, math.sin(angle) / change.scale
    centre = side / 2
    # From a pixel of the copy to a place in the padded original.
    matrix = (
        cosine, -sine, centre + margin - cosine * centre + sine * centre,
        sine, cosine, centre + margin - sine * centre - cosine * centre,
    )  # fmt: skip
    changed = padded.transform((side, side), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
    return np.asarray(changed, np.uint8)

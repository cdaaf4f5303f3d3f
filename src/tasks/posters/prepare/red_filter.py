"""Which posters are too red: the share of their pixels in a declared range of colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from tasks.common.stage.params import StageParams

if TYPE_CHECKING:
    import numpy as np


def _ordered(hue_range: list[float]) -> list[float]:
    if hue_range[0] > hue_range[1]:
        raise ValueError("a range of hues must go upwards; write one that passes 360 as two")
    return hue_range


Share = Annotated[float, Field(ge=0, le=1)]
HueRange = Annotated[
    list[Annotated[float, Field(ge=0, le=360)]], Field(min_length=2, max_length=2), AfterValidator(_ordered)
]


class RedFilterParams(StageParams):
    """`posters.prepare.red_filter`."""

    hue_ranges_deg: Annotated[list[HueRange], Field(max_length=8)]
    min_saturation: Share
    min_value: Share
    max_share: Share


def red_share(pixels: np.ndarray, params: RedFilterParams) -> float:
    """The share of the pixels (H, W, 3) uint8 that lie in one of the ranges, bounds included, and are vivid enough.

    Hue, saturation and value as in A. R. Smith 1978, https://doi.org/10.1145/965139.807361, in 256 steps each.
    """
    import numpy as np
    from PIL import Image

    hue, saturation, value = np.moveaxis(np.asarray(Image.fromarray(pixels).convert("HSV"), np.float32), -1, 0)
    hue_deg = hue * (360 / 256)
    inside = np.zeros(hue.shape, bool)
    for low, high in params.hue_ranges_deg:
        inside |= (hue_deg >= low) & (hue_deg <= high)
    inside &= (saturation >= 255 * params.min_saturation) & (value >= 255 * params.min_value)
    return float(inside.mean())

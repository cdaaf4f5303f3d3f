"""A photograph as the network sees it: the eye without the black around it, as a square."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from tasks.common.data.image_file import BadImageError, square
from tasks.common.stage.errors import TaskError
from tasks.common.stage.params import StageParams

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

MIN_SHARE = 0.02
"""A line of pixels of which fewer are lit is noise in the black."""


class Framing(StageParams):
    """How photographs become squares; it goes into the model's card, so that inference does the same."""

    image_size: Annotated[int, Field(ge=16, le=2048)]
    square: Literal["pad", "crop", "stretch"]
    black_level: Annotated[int, Field(ge=0, le=254)]


def frame(image: Image, framing: Framing) -> np.ndarray:
    """An RGB image to (image_size, image_size, 3) uint8. Raises BadImageError where it is black all over."""
    import numpy as np

    lit = np.asarray(image).max(axis=2) > framing.black_level  # (H, W)
    rows, columns = (np.flatnonzero(lit.mean(axis=axis) > MIN_SHARE) for axis in (1, 0))
    if not len(rows) or not len(columns):
        raise BadImageError("is black all over")
    eye = image.crop((int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1))
    return square(eye, framing.image_size, framing.square)


def framing_of(preprocessing: dict[str, Any], where: str) -> Framing:
    """The framing that a model's card or the prepared data has. Raises TaskError."""
    try:
        return Framing.model_validate({name: preprocessing.get(name) for name in Framing.model_fields})
    except ValueError as error:
        raise TaskError(f"{where} does not say how photographs were framed; run the stages again.") from error

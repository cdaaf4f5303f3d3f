"""One image file that anybody may have written: what it shows, or the reason why it is unusable.

It imports little, because every process that decodes images imports it: see decoder_processes.py.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

Mode = Literal["RGB", "L"]
Render = Callable[["Image"], "np.ndarray"]

FORMATS = ("JPEG", "PNG")

DECODED_PER_PIXEL = 2
"""Pixels of a decoded image for each of the square that it is resized to, at least.

With 1 it would be a third faster, and visibly less sharp: docs/performance.md has the figures.
"""
_UPRIGHT = 1
_ON_ITS_SIDE = range(5, 9)
"""Orientations, as EXIF counts them, in which width and height change places."""

_CHANNELS = {"1": "1 bit", "L": "1", "LA": "2", "P": "a palette", "RGB": "3", "RGBA": "4", "CMYK": "4 (CMYK)"}


class BadImageError(Exception):
    """Why a file cannot be used as an image, as a clause."""


@dataclass(frozen=True)
class Measured:
    """What tells one source of images from another."""

    width: int
    """Pixels, of the file."""
    height: int
    mean_intensity: float
    """0 to 255, of the prepared image, over all its channels."""


@dataclass(frozen=True)
class Recipe:
    """How a file becomes pixels."""

    render: Render
    """From an image to an array of one shape for all, uint8. Raises BadImageError."""
    mode: Mode
    side: int
    """Pixels, of that shape."""

    def follow(self, path: Path) -> tuple[np.ndarray, str, Measured]:
        """The pixels of the file at `path`, its SHA-256, and what was measured. Raises BadImageError."""
        content = _content(path)
        image, (width, height) = _decode(content, self.mode, self.side)
        pixels = self.render(image)
        return pixels, hashlib.sha256(content).hexdigest(), Measured(width, height, float(pixels.mean()))


def read_image(path: Path, mode: Mode, side: int | None = None) -> Image:
    """The JPEG or PNG file at `path`, upright and wholly decoded. Raises BadImageError.

    side: pixels that the image is to be resized to, where it is: a large JPEG file is decoded to a half, a quarter or
    an eighth of its size, each side of it no less than DECODED_PER_PIXEL times that. Nothing is converted between
    colour and grey, because a set in which both occur has been put together wrongly.
    """
    return _decode(_content(path), mode, side)[0]


def _content(path: Path) -> bytes:
    """Read once, for the image and for its digest."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise BadImageError("does not exist") from None
    except OSError:
        raise BadImageError("is truncated or damaged") from None
    if not content:
        raise BadImageError("is empty")
    return content


def _decode(content: bytes, mode: Mode, side: int | None) -> tuple[Image, tuple[int, int]]:
    """The image, and the width and height that it has in its file, upright."""
    from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.mode != mode:
                channels = _CHANNELS.get(image.mode, image.mode)
                raise BadImageError(f"has channels of the kind {channels}, not {_CHANNELS[mode]}")
            width, height = image.size
            if side is not None:
                image.draft(mode, (side * DECODED_PER_PIXEL, side * DECODED_PER_PIXEL))
            image.load()
            orientation = image.getexif().get(ExifTags.Base.Orientation, _UPRIGHT)
            upright = image if orientation == _UPRIGHT else ImageOps.exif_transpose(image)
            return upright, (height, width) if orientation in _ON_ITS_SIDE else (width, height)
    except UnidentifiedImageError:
        raise BadImageError("is not a JPEG or PNG image") from None
    except Image.DecompressionBombError:
        raise BadImageError("has more pixels than any photograph") from None
    except (OSError, SyntaxError, ValueError, EOFError):
        raise BadImageError("is truncated or damaged") from None


def square(image: Image, side: int, how: Literal["crop", "pad", "stretch"]) -> np.ndarray:
    """The image as (side, side) or (side, side, C) uint8: its centre, the whole on black, or the whole out of shape."""
    import numpy as np
    from PIL import Image, ImageOps

    filter_ = Image.Resampling.BICUBIC
    if how == "crop":
        image = ImageOps.fit(image, (side, side), filter_)
    elif how == "pad":
        image = ImageOps.pad(image, (side, side), filter_)
    else:
        image = image.resize((side, side), filter_, reducing_gap=3.0)
    return np.asarray(image, np.uint8)

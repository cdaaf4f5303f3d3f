"""Decoding image files that anybody may have written: in parallel, once, with a reason for each that is unusable."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tasks.common.data.report import SetAside
from tasks.common.data.shards import new_array, open_array
from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import file_digest
from tasks.common.stage.progress import progress

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
_AT_ONCE = 32
"""Images that a thread decodes before it hands them over: Python lets one thread at a time do that."""
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
class Decoded:
    """The usable ones of a list of files."""

    images: np.ndarray
    """(N, H, W, C) uint8, memory-mapped, read-only."""
    kept: tuple[int, ...]
    """For each image, the place of its file in the list."""
    digests: tuple[str, ...]
    """SHA-256 of each image's file: the same whatever size images are prepared in."""
    set_aside: tuple[SetAside, ...]
    measured: tuple[Measured, ...]
    """What each image was before it was given its shape, and how bright it is after."""

    def measures(self, rows: Sequence[int]) -> dict[str, list[int | float]]:
        """The columns for the manifest, of the images in those rows."""
        return {
            field.name: [getattr(self.measured[row], field.name) for row in rows] for field in fields(Measured)
        }


def read_image(path: Path, mode: Mode, side: int | None = None) -> Image:
    """The JPEG or PNG file at `path`, upright and wholly decoded. Raises BadImageError.

    side: pixels that the image is to be resized to, where it is: a large JPEG file is decoded to a half, a quarter or an
    eighth of its size, each side of it no less than DECODED_PER_PIXEL times that. Nothing is converted between colour
    and grey, because a set in which both occur has been put together wrongly.
    """
    return _read(path, mode, side)[0]


def _read(path: Path, mode: Mode, side: int | None) -> tuple[Image, tuple[int, int]]:
    """The image, and the width and height that it has in its file, upright."""
    from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.mode != mode:
                channels = _CHANNELS.get(image.mode, image.mode)
                raise BadImageError(f"has channels of the kind {channels}, not {_CHANNELS[mode]}")
            width, height = image.size
            if side is not None:
                image.draft(mode, (side * DECODED_PER_PIXEL, side * DECODED_PER_PIXEL))
            image.load()
            turned = image.getexif().get(ExifTags.Base.Orientation) in _ON_ITS_SIDE
            return ImageOps.exif_transpose(image), (height, width) if turned else (width, height)
    except FileNotFoundError:
        raise BadImageError("does not exist") from None
    except UnidentifiedImageError:
        raise BadImageError("is empty" if path.stat().st_size == 0 else "is not a JPEG or PNG image") from None
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


def decode_images(
    files: Sequence[Path], render: Render, mode: Mode, *, side: int, root: Path, scratch: Path, label: str
) -> Decoded:
    """Decode `files` on every core at once, and set aside those that cannot be.

    render: from an image to an array of one shape for all, uint8. side: of that shape, pixels. root: folder that what is set aside is named relative
    to. scratch: file that takes the pixels, which the caller removes when it has sorted them into shards. label: what
    the progress is called. Raises TaskError where no file is usable.
    """
    import numpy as np

    with progress(label, len(files), "image") as advance:

        def decode(path: Path) -> tuple[np.ndarray, str, Measured] | str:
            try:
                image, (width, height) = _read(path, mode, side)
                pixels = render(image)
                return pixels, file_digest(path), Measured(width, height, float(pixels.mean()))
            except BadImageError as reason:
                return str(reason)

        kept: list[int] = []
        digests: list[str] = []
        measured: list[Measured] = []
        set_aside: list[SetAside] = []
        pixels: np.ndarray | None = None
        groups = [files[start : start + _AT_ONCE] for start in range(0, len(files), _AT_ONCE)]
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            results = itertools.chain.from_iterable(pool.map(lambda group: [decode(path) for path in group], groups))
            for index, result in enumerate(results):
                advance("")
                if isinstance(result, str):
                    set_aside.append(SetAside(files[index].relative_to(root).as_posix(), result))
                    continue
                image, digest, measures = result
                if pixels is None:
                    pixels = new_array(scratch, (len(files), *image.shape), np.uint8)
                pixels[len(kept)] = image
                kept.append(index)
                digests.append(digest)
                measured.append(measures)
    if pixels is None:
        first = f", the first because {files[0]} {set_aside[0].reason}" if files else ""
        raise TaskError(f"{label}: none of {len(files)} files is a usable image{first}; correct the source.")
    del pixels
    return Decoded(open_array(scratch)[: len(kept)], tuple(kept), tuple(digests), tuple(set_aside), tuple(measured))

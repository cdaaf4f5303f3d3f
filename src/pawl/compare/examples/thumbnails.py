"""Small pictures of examples, from whatever a predictions file has: never passed on as they came, always drawn anew."""

from __future__ import annotations

import base64
import io
import os
import stat
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pawl.compare.statistics.images import MAX_IMAGE_BYTES, Images
from pawl.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE_PIXELS = 64
MAX_CHARACTERS = 24_000
_FORMATS = ("PNG", "JPEG", "WEBP")
_MAX_PIXELS = 50_000_000


def thumbnails(images: Images, rows: Sequence[int], project_root: Path | None) -> dict[int, str]:
    """Row -> PNG of at most 64 by 64 pixels in base64, for those of `rows` that have a picture which can be shown.

    Paths are relative to `project_root`; without it, only pictures in the file itself are shown.
    """
    try:
        pictures = images.read(list(rows))
    except InputError:
        return {}
    found = {}
    for row, picture in zip(rows, pictures, strict=True):
        encoded = read_inside(project_root, picture) if isinstance(picture, str) else picture
        thumbnail = encode(encoded) if encoded else None
        if thumbnail is not None:
            found[row] = thumbnail
    return found


def encode(encoded: bytes) -> str | None:
    """A PNG, JPEG or WebP image as a new PNG in base64, without metadata; None where it cannot be decoded safely."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Image.open(io.BytesIO(encoded), formats=_FORMATS) as image:
                if image.width * image.height > _MAX_PIXELS:
                    return None
                small = _small(image)
    # Decoders of files made to break them raise errors of every kind.
    except Exception:
        return None
    written = io.BytesIO()
    small.save(written, "PNG", optimize=True)
    text = base64.b64encode(written.getvalue()).decode("ascii")
    return text if len(text) <= MAX_CHARACTERS else None


def read_inside(root: Path | None, path: str) -> bytes | None:
    """The content of the file at `path`, relative to `root`; None where it is not a plain file of at most 10 MB in it.

    Links count as what they lead to.
    """
    if root is None or Path(path).is_absolute():
        return None
    try:
        home = os.path.realpath(root)
        place = os.path.realpath(os.path.join(home, path))
        if not place.startswith(home + os.sep):
            return None
        # Nothing is followed after it was resolved, and a pipe is not waited for.
        descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (OSError, ValueError):
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_IMAGE_BYTES:
            return None
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(MAX_IMAGE_BYTES)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _small(image: Image) -> Image:
    """Upright, 8 bit grey or colour, on white where it is transparent, at most 64 pixels wide and high."""
    from PIL import Image, ImageOps

    image.draft("RGB", (2 * SIDE_PIXELS, 2 * SIDE_PIXELS))
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I"):
        upright = upright.point(lambda value: value * (1 / 256)).convert("L")
    upright.thumbnail((SIDE_PIXELS, SIDE_PIXELS), Image.Resampling.BOX)
    # Drawing onto a new picture leaves behind whatever the file carried besides its pixels.
    if upright.mode in ("1", "L"):
        clean = Image.new("L", upright.size)
        clean.paste(upright.convert("L"))
        return clean
    clean = Image.new("RGB", upright.size, "white")
    coloured = upright.convert("RGBA")
    clean.paste(coloured, mask=coloured.getchannel("A"))
    return clean

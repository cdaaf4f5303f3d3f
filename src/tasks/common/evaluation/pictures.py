"""Pictures of what a model did, drawn from pixels alone, so that equal results are equal bytes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tasks.common.stage.files import new_folder
from tasks.common.stage.paths import TaskPaths

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

THUMBNAIL_PIXELS = 64
MAX_THUMBNAILS = 2_000
_FONT_PIXELS = 12
_LINE_PIXELS = 15
_MARGIN_PIXELS = 6


def write_pictures(paths: TaskPaths, pictures: Mapping[str, Image]) -> None:
    """Write each picture as results/<task>/pictures/<name>.png."""
    with new_folder(paths.pictures) as folder:
        for name, picture in pictures.items():
            picture.save(folder / f"{name}.png")


def thumbnails(images: np.ndarray, *, brighten: int = 1) -> list[bytes | None]:
    """The column `image` of predictions.parquet: small PNGs of (N, H, W) or (N, H, W, 3) uint8, one an image.

    Only the first 2,000 have one, because every model's predictions are kept; the others are None. `brighten` is the
    factor that makes the pixels span 0 to 255.
    """
    return [_thumbnail(images[i] * brighten) if i < MAX_THUMBNAILS else None for i in range(len(images))]


def worst_mistakes(targets: np.ndarray, scores: np.ndarray, count: int) -> list[int]:
    """At most `count` examples, those first whose label has the lowest score: (N,) label numbers, (N, K) scores.

    Ties keep the examples' order. Examples that are right come after all that are wrong.
    """
    import numpy as np

    chosen = scores[np.arange(len(targets)), targets]
    wrong = scores.argmax(axis=1) != targets
    return [int(index) for index in np.lexsort((chosen, ~wrong))[:count]]


def picture_grid(
    images: Sequence[np.ndarray], captions: Sequence[str], *, columns: int = 6, side_pixels: int = 112
) -> Image:
    """Images (H, W) or (H, W, 3), uint8, in rows of `columns`, each enlarged to `side_pixels` and with its caption."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(_FONT_PIXELS)
    lines = max((caption.count("\n") + 1 for caption in captions), default=1)
    cell_width = side_pixels + _MARGIN_PIXELS
    cell_height = side_pixels + lines * _LINE_PIXELS + _MARGIN_PIXELS
    rows = -(-max(len(images), 1) // columns)
    canvas = Image.new("RGB", (columns * cell_width + _MARGIN_PIXELS, rows * cell_height + _MARGIN_PIXELS), "white")
    draw = ImageDraw.Draw(canvas)
    if not images:
        draw.text((_MARGIN_PIXELS, _MARGIN_PIXELS), "nothing to show", fill="black", font=font)
    for index, (pixels, caption) in enumerate(zip(images, captions, strict=True)):
        left = _MARGIN_PIXELS + (index % columns) * cell_width
        top = _MARGIN_PIXELS + (index // columns) * cell_height
        image = Image.fromarray(pixels).convert("RGB")
        scale = side_pixels / max(image.size)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        # Small images are shown as the model has them: each pixel a square.
        image = image.resize(size, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BOX)
        canvas.paste(image, (left, top))
        # What is wider than its picture would run into the next one.
        fitting = "\n".join(_fitting(line, side_pixels, font) for line in caption.split("\n"))
        draw.multiline_text((left, top + side_pixels + 2), fitting, fill="black", font=font, spacing=2)
    return canvas


def _thumbnail(pixels: np.ndarray) -> bytes:
    """A PNG of at most 64 by 64 pixels, in the proportions of the image; what is smaller is not enlarged."""
    from PIL import Image

    image = Image.fromarray(pixels)
    image.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS), Image.Resampling.BOX)
    written = io.BytesIO()
    image.save(written, "PNG")
    return written.getvalue()


def _fitting(line: str, width_pixels: int, font: object) -> str:
    """The line, shortened with an ellipsis until it is no wider."""
    length = font.getlength  # type: ignore[attr-defined]
    if length(line) <= width_pixels:
        return line
    while line and length(line + "…") > width_pixels:
        line = line[:-1]
    return line + "…"

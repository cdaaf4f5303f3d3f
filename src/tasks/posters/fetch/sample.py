"""Posters that are generated, because no film poster may be shipped: shapes for genres, in the layout of the real set.

Which genre a poster has can be seen from its shapes. Colours say little: the background's hue leans to a genre's own on
a part of the posters only.
"""

from __future__ import annotations

import colorsys
import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.common.stage.progress import progress
from tasks.posters.fetch.motifs import MOTIFS, Shape, decoys

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

GENRES = (
    "Action", "Adventure", "Animation", "Biography", "Comedy", "Crime", "Documentary", "Drama", "Family", "Fantasy",
    "History", "Horror", "Music", "Musical", "Mystery", "N/A", "News", "Reality-TV", "Romance", "Sci-Fi", "Short",
    "Sport", "Thriller", "War", "Western",
)  # fmt: skip
"""The columns of the real table after Id and Genre."""

WIDTH, HEIGHT = 128, 192
SHARE_RED = 0.04
"""Of the posters: nearly nothing but red, for the filter to find."""
SHARE_REPEATED = 0.02
"""Of the posters: the same file under a second id."""
SHARE_LISTED_TWICE = 0.01
"""Of the posters: two rows of one id."""
SHARE_WITH_LEANING_HUE = 0.15
"""Of the posters: the background's hue is near that of the first genre."""

# How many motifs of a genre are likely, and how often posters have one, two or three genres.
_SHARES = {"Drama": 2.0, "Comedy": 1.6, "Action": 1.3, "Crime": 1.0, "Romance": 1.0, "Horror": 1.0, "Sci-Fi": 1.0,
           "Western": 0.9}  # fmt: skip
_SHARES_OF_COUNTS = (0.35, 0.4, 0.25)
_SCALE = 2
"""Drawn so many times larger and then reduced, which makes edges smooth."""
_RED_HUES = (0.97, 1.02)


@dataclass(frozen=True)
class Poster:
    """One row of the table, and where its image comes from."""

    id: str
    genres: tuple[str, ...]
    drawn_as: str
    """The id whose image this is: its own, or another's where the file is repeated."""


def write_sample(folder: Path, n_posters: int, seed: int) -> None:
    """Write `folder/Images/<id>.jpg` and `folder/train.csv`: `n_posters` images, in the real set's layout."""
    import numpy as np

    rng = np.random.default_rng([seed, 0])
    posters = _choose_posters(n_posters, rng)
    n_red = round(SHARE_RED * n_posters)
    images = folder / "Images"
    images.mkdir()
    drawn: dict[str, bytes] = {}
    with progress("fetch posters", len(posters), "poster") as advance:
        for number, poster in enumerate(posters):
            if poster.drawn_as not in drawn:
                drawn[poster.drawn_as] = draw_poster(
                    poster.genres, np.random.default_rng([seed, 1, number]), is_red=number < n_red
                )
            (images / f"{poster.id}.jpg").write_bytes(drawn[poster.drawn_as])
            advance("")
    order = sorted(posters, key=lambda poster: hashlib.sha256(poster.id.encode()).digest())
    rows = [*order, *order[: round(SHARE_LISTED_TWICE * n_posters)]]
    with (folder / "train.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("Id", "Genre", *GENRES))
        for poster in rows:
            writer.writerow((poster.id, str(list(poster.genres)), *(int(genre in poster.genres) for genre in GENRES)))


def _choose_posters(n_posters: int, rng: np.random.Generator) -> list[Poster]:
    import numpy as np

    names = list(MOTIFS)
    shares = np.array([_SHARES[name] for name in names])
    ids = [f"tt{number:07d}" for number in rng.choice(10_000_000, n_posters, replace=False)]
    posters: list[Poster] = []
    n_own = n_posters - round(SHARE_REPEATED * n_posters)
    for number in range(n_own):
        count = 1 + int(rng.choice(len(_SHARES_OF_COUNTS), p=_SHARES_OF_COUNTS))
        chosen = rng.choice(len(names), count, replace=False, p=shares / shares.sum())
        posters.append(Poster(ids[number], tuple(sorted(names[index] for index in chosen)), ids[number]))
    for number in range(n_own, n_posters):
        original = posters[int(rng.integers(n_own))]
        posters.append(Poster(ids[number], original.genres, original.drawn_as))
    return posters


def draw_poster(genres: tuple[str, ...], rng: np.random.Generator, *, is_red: bool = False) -> bytes:
    """A poster of 128 x 192 pixels with one to three motifs of each genre, as a JPEG file."""
    import io

    from PIL import Image
    from PIL import ImageDraw as Drawing

    hue = _background_hue(genres[0], rng, is_red)
    saturation = 0.9 if is_red else float(rng.uniform(0.1, 0.8))
    value = float(rng.uniform(0.4, 0.55) if is_red else rng.uniform(0.15, 0.4))
    background = _colour(hue, saturation, value)
    canvas = Image.new("RGB", (WIDTH * _SCALE, HEIGHT * _SCALE), background)
    draw = Drawing.Draw(canvas)
    _draw_clutter(draw, hue, value, rng)

    shapes = [MOTIFS[genre]() for genre in genres for _ in range(1 + int(rng.random() < 0.5 / len(genres)))]
    parts = decoys()
    shapes += [parts[int(rng.integers(len(parts)))] for _ in range(int(rng.integers(3)))]
    # Each in a cell of its own, so that none covers another.
    cells = rng.permutation(6)[: len(shapes)]
    for shape, cell in zip(shapes[:6], cells, strict=False):
        ink_value = float(rng.uniform(0.75, 1))
        ink_hue = float(rng.uniform(*_RED_HUES) if is_red else rng.random())
        _draw_shape(draw, shape, int(cell), _colour(ink_hue, float(rng.uniform(0.1, 0.6)), ink_value), background, rng)
    _draw_title(draw, _colour(float(rng.random()), 0.2, 0.95), rng)

    file = io.BytesIO()
    small = canvas.resize((WIDTH, HEIGHT), Image.Resampling.BOX)
    pixels = _with_grain(small, rng)
    pixels.save(file, "JPEG", quality=int(rng.integers(75, 93)))
    return file.getvalue()


def _background_hue(first_genre: str, rng: np.random.Generator, is_red: bool) -> float:
    if is_red:
        return float(rng.uniform(*_RED_HUES))
    # 0.06 to 0.92 of the circle: other posters have no red background.
    if rng.random() < SHARE_WITH_LEANING_HUE:
        own = 0.06 + 0.86 * (list(MOTIFS).index(first_genre) + 0.5) / len(MOTIFS)
        return float(min(0.92, max(0.06, own + rng.normal(0, 0.05))))
    return float(rng.uniform(0.06, 0.92))


def _colour(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue % 1, saturation, value))
    return red, green, blue


def _draw_clutter(draw: ImageDraw, hue: float, value: float, rng: np.random.Generator) -> None:
    """Faint boxes and lines behind everything."""
    for _ in range(int(rng.integers(2, 6))):
        x, y = rng.uniform(0, WIDTH * _SCALE), rng.uniform(0, HEIGHT * _SCALE)
        width, height = rng.uniform(10, 120, 2) * _SCALE / 2
        tone = _colour(
            hue + float(rng.normal(0, 0.04)), float(rng.uniform(0.1, 0.8)), value + float(rng.normal(0, 0.05))
        )
        if rng.random() < 0.5:
            draw.rectangle((x, y, x + width, y + height), fill=tone)
        else:
            draw.line(
                (x, y, x + 2 * width, y + 2 * height * rng.choice([-1, 1])), fill=tone, width=int(rng.integers(2, 9))
            )


def _draw_shape(
    draw: ImageDraw,
    shape: Shape,
    cell: int,
    ink: tuple[int, int, int],
    background: tuple[int, int, int],
    rng: np.random.Generator,
) -> None:
    import numpy as np

    side = WIDTH * _SCALE / 2
    centre = np.array([(cell % 2 + 0.5) * side, (cell // 2 + 0.5) * 0.83 * side]) + rng.normal(0, 0.05 * side, 2)
    angle = float(rng.normal(0, 0.12))
    radius = side * float(rng.uniform(0.36, 0.5))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    flip = np.array([rng.choice([-1, 1]), 1])
    stretch = np.array([1, rng.uniform(0.85, 1.0)])
    for is_ink, corners in shape:
        placed = (corners * flip * stretch * radius) @ turn + centre
        draw.polygon([(float(x), float(y)) for x, y in placed], fill=ink if is_ink else background)


def _draw_title(draw: ImageDraw, ink: tuple[int, int, int], rng: np.random.Generator) -> None:
    """Two or three rows of letters that say nothing."""
    y = HEIGHT * _SCALE * 0.86
    for _ in range(int(rng.integers(1, 3))):
        height = float(rng.uniform(8, 14)) * _SCALE / 2
        x = float(rng.uniform(0.05, 0.3)) * WIDTH * _SCALE
        end = float(rng.uniform(0.7, 0.97)) * WIDTH * _SCALE
        while x < end:
            width = float(rng.uniform(4, 11)) * _SCALE / 2
            if rng.random() < 0.85:
                draw.rectangle((x, y, x + width, y + height), fill=ink)
            x += width + 3
        y += height + 5 * _SCALE / 2


def _with_grain(image: Image, rng: np.random.Generator) -> Image:
    import numpy as np
    from PIL import Image as Images

    pixels = np.asarray(image, np.float64) + rng.normal(0, rng.uniform(2, 8), (HEIGHT, WIDTH, 1))
    return Images.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))

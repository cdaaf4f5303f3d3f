"""Lesions of diabetic retinopathy, drawn on a photograph of a healthy eye.

How many of each a grade shows follows the International Clinical Diabetic Retinopathy scale (Wilkinson et al. 2003,
https://doi.org/10.1016/S0161-6420(03)00475-5); the ranges of neighbouring grades overlap, as people's gradings do.
Lengths are shares of the eye's radius.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

N_GRADES = 5
SUPERSAMPLING = 4
"""Vessels thinner than a pixel are drawn so many times larger."""

Lesion = Literal["microaneurysm", "haemorrhage", "exudate", "cotton_wool", "new_vessels"]

COUNTS: dict[Lesion, tuple[tuple[int, int], ...]] = {
    "microaneurysm": ((0, 0), (3, 9), (5, 14), (8, 18), (6, 18)),
    "haemorrhage": ((0, 0), (0, 1), (2, 8), (8, 18), (5, 16)),
    "exudate": ((0, 0), (0, 0), (0, 7), (3, 12), (3, 12)),
    "cotton_wool": ((0, 0), (0, 0), (0, 2), (1, 5), (1, 4)),
    "new_vessels": ((0, 0), (0, 0), (0, 0), (0, 0), (2, 4)),
}
"""The least and the most of each lesion at the grades 0 to 4."""


@dataclass(frozen=True)
class Eye:
    """Where the eye is in the image, in pixels."""

    centre_x: float
    centre_y: float
    radius: float


@dataclass(frozen=True)
class _Spot:
    """How one kind of spot looks: `colour` over what is there with opacity `alpha`, or times it where `multiply`."""

    radius: tuple[float, float]
    colour: tuple[float, float, float]
    alpha: tuple[float, float]
    softness: float
    multiply: bool


_SPOTS: dict[str, _Spot] = {
    "microaneurysm": _Spot((0.018, 0.026), (0.68, 0.35, 0.4), (0.75, 0.95), 0.012, True),
    "haemorrhage": _Spot((0.028, 0.055), (0.66, 0.36, 0.42), (0.7, 0.95), 0.018, True),
    "exudate": _Spot((0.016, 0.028), (252.0, 232.0, 130.0), (0.6, 0.9), 0.012, False),
    "cotton_wool": _Spot((0.045, 0.075), (250.0, 235.0, 205.0), (0.4, 0.6), 0.05, False),
    # Not lesions: dust on the lens and its reflections, which every eye may have.
    "dust": _Spot((0.05, 0.16), (0.75, 0.72, 0.72), (0.2, 0.5), 0.08, True),
    "reflection": _Spot((0.05, 0.2), (255.0, 235.0, 225.0), (0.05, 0.2), 0.1, False),
}


def draw_lesions(pixels: np.ndarray, eye: Eye, grade: int, rng: np.random.Generator) -> None:
    """Draw what an eye of the grade, 0 to 4, shows into `pixels` (H, W, 3), float32 from 0 to 255."""
    for lesion, counts in COUNTS.items():
        least, most = counts[grade]
        for _ in range(int(rng.integers(least, most + 1))):
            if lesion == "new_vessels":
                _draw_new_vessels(pixels, eye, rng)
            else:
                _draw_spot(pixels, eye, _SPOTS[lesion], rng)


def draw_artefacts(pixels: np.ndarray, eye: Eye, rng: np.random.Generator) -> None:
    """Draw dust and reflections, whatever the grade."""
    for name in ("dust", "reflection"):
        for _ in range(int(rng.integers(0, 3))):
            _draw_spot(pixels, eye, _SPOTS[name], rng)


def _draw_spot(pixels: np.ndarray, eye: Eye, spot: _Spot, rng: np.random.Generator) -> None:
    import numpy as np

    x, y = _place(eye, rng)
    radius = rng.uniform(*spot.radius) * eye.radius
    lobes, phases = rng.uniform(0, 0.18, 2), rng.uniform(0, 2 * np.pi, 2)
    alpha = rng.uniform(*spot.alpha)
    soft = spot.softness * eye.radius
    reach = int(1.5 * radius + soft) + 2
    top, left = max(0, int(y) - reach), max(0, int(x) - reach)
    area = pixels[top : int(y) + reach + 1, left : int(x) + reach + 1]
    dy = np.arange(top, top + area.shape[0])[:, None] - y
    dx = np.arange(left, left + area.shape[1])[None, :] - x
    angle = np.arctan2(dy, dx)
    border = radius * (1 + lobes[0] * np.cos(2 * angle + phases[0]) + lobes[1] * np.cos(3 * angle + phases[1]))
    inside = np.clip((border - np.hypot(dx, dy)) / soft + 0.5, 0, 1)
    _blend(area, alpha * inside, spot.colour, spot.multiply)


def _draw_new_vessels(pixels: np.ndarray, eye: Eye, rng: np.random.Generator) -> None:
    """A tangle of thin vessels that wind out from one point."""
    import numpy as np
    from PIL import Image, ImageDraw

    x, y = _place(eye, rng)
    height, width = pixels.shape[:2]
    canvas = Image.new("L", (width * SUPERSAMPLING, height * SUPERSAMPLING))
    draw = ImageDraw.Draw(canvas)
    step = 0.02 * eye.radius
    thickness = max(1, round(rng.uniform(0.012, 0.02) * eye.radius * SUPERSAMPLING))
    for _ in range(int(rng.integers(4, 8))):
        n_steps = int(rng.integers(10, 20))
        turns = rng.normal(0, 0.55, n_steps) + rng.normal(0, 0.12)
        directions = rng.uniform(0, 2 * np.pi) + np.cumsum(turns)
        line_x = x + step * np.cumsum(np.cos(directions))
        line_y = y + step * np.cumsum(np.sin(directions))
        points = [(float(a) * SUPERSAMPLING, float(b) * SUPERSAMPLING) for a, b in zip(line_x, line_y, strict=True)]
        draw.line([(x * SUPERSAMPLING, y * SUPERSAMPLING), *points], fill=255, width=thickness, joint="curve")
    mask = np.asarray(canvas.resize((width, height), Image.Resampling.BOX), np.float32) / 255
    _blend(pixels, float(rng.uniform(0.7, 0.95)) * mask, (0.66, 0.36, 0.42), True)


def _place(eye: Eye, rng: np.random.Generator) -> tuple[float, float]:
    """A point of the eye, all as likely, that is not at its very rim."""
    import numpy as np

    distance, angle = 0.88 * eye.radius * np.sqrt(rng.random()), rng.uniform(0, 2 * np.pi)
    return eye.centre_x + distance * np.cos(angle), eye.centre_y + distance * np.sin(angle)


def _blend(area: np.ndarray, opacity: np.ndarray, colour: tuple[float, float, float], multiply: bool) -> None:
    """Put the colour over `area` (h, w, 3) in place, as opaque as `opacity` (h, w) says."""
    import numpy as np

    over = area * np.array(colour, np.float32) if multiply else np.array(colour, np.float32)
    area += opacity[..., None].astype(np.float32) * (over - area)

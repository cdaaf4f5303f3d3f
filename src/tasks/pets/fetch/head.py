"""One drawn head of a cat or a dog, from closed curves.

Lengths are in half-widths of the skull, with x to the right and y down from its centre. Every feature that tells a cat
from a dog is drawn from a normal distribution whose centre depends on the animal and which reaches into the other's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

Animal = Literal["Cat", "Dog"]
Colour = tuple[int, int, int]

# A normal variable this far from 0 is on the other side of it in 17 of 100 draws: so often does one feature mislead.
SEPARATION = 0.95

# Fur of either animal: grey, brown, ginger, cream.
FURS: tuple[Colour, ...] = ((128, 126, 124), (132, 98, 72), (190, 122, 62), (206, 176, 132))
EYES: tuple[Colour, ...] = ((92, 60, 30), (150, 120, 40), (90, 130, 70), (50, 45, 40))
NOSES: tuple[Colour, ...] = ((36, 30, 30), (78, 50, 46))
WHITE: Colour = (244, 238, 228)
INNER_EAR: Colour = (214, 150, 140)

_POINTS_A_PIECE = 8


@dataclass(frozen=True)
class Head:
    """What one head looks like. The first three go from 0, a cat's, to 1, a dog's."""

    ears: float
    muzzle: float
    nose: float
    fur: Colour
    marking: Colour
    """Of the patch."""
    ear_colour: Colour
    eye: Colour
    nose_colour: Colour
    stripes: int
    patch: tuple[float, float, float]
    """Centre and radius of a patch of the marking's colour; no patch where the radius is 0."""
    skull_height: float
    eye_size: float
    ear_size: float
    turn: float
    """How far the face looks aside, from -1 to 1."""


def random_head(animal: Animal, random: np.random.Generator) -> Head:
    """A head of `animal`, in which about one feature in six is rather that of the other animal."""
    centre = SEPARATION if animal == "Dog" else -SEPARATION

    def feature() -> float:
        # To 0..1, with the middle between the animals at 0.5.
        return float(min(max(0.5 + (centre + random.standard_normal()) / 4, 0.0), 1.0))

    def colour(palette: tuple[Colour, ...]) -> Colour:
        return shade(palette[int(random.integers(len(palette)))], random.uniform(0.8, 1.2))

    fur = colour(FURS)
    marking = colour(FURS)
    has_patch = random.random() < 0.35
    return Head(
        ears=feature(),
        muzzle=feature(),
        nose=feature(),
        fur=fur,
        marking=marking,
        ear_colour=marking if random.random() < 0.3 else fur,
        eye=colour(EYES),
        nose_colour=colour(NOSES),
        stripes=int(random.integers(2, 5)) if random.random() < 0.3 else 0,
        patch=(
            float(random.uniform(-0.8, 0.8)),
            float(random.uniform(-0.8, 0.6)),
            float(random.uniform(0.3, 0.6)) if has_patch else 0.0,
        ),
        skull_height=float(random.uniform(0.9, 1.1)),
        eye_size=float(random.uniform(0.11, 0.18)),
        ear_size=float(random.uniform(0.85, 1.15)),
        turn=float(random.uniform(-1, 1)),
    )


def draw_head(head: Head, canvas: Image, centre: tuple[float, float], half_width: float, degrees: float) -> None:
    """Draw `head` onto the picture, half_width in its pixels, turned clockwise about its centre."""
    import numpy as np
    from PIL import ImageDraw

    draw = ImageDraw.Draw(canvas)
    angle = np.deg2rad(degrees)
    turned = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) * half_width

    def fill(outline: np.ndarray, colour: Colour) -> None:
        """Fill a closed curve (P, 2)."""
        draw.polygon([tuple(point) for point in (outline @ turned + centre).tolist()], fill=colour)

    shift = 0.22 * head.turn
    for side in (-1, 1):
        # The ear on the side that looks away is the narrower one.
        width = 1 - 0.35 * max(0.0, side * head.turn)
        outer = ear(head.ears, head.ear_size, side, width)
        fill(around(outer, 1.14), shade(head.ear_colour, 0.5))
        fill(outer, head.ear_colour)
        fill(around(outer, 0.6), blend(head.ear_colour, INNER_EAR))
    skull = ellipse(0, 0, 1.0, head.skull_height)
    fill(around(skull, 1.05), shade(head.fur, 0.5))
    fill(skull, head.fur)
    x, y, radius = head.patch
    if radius:
        fill(np.clip(ellipse(x, y, radius, radius), -0.72, 0.72), head.marking)
    for stripe in range(head.stripes):
        at = (stripe - (head.stripes - 1) / 2) * 0.28
        fill(ellipse(at + shift / 2, -0.62, 0.05, 0.26), shade(head.fur, 0.6))
    for side in (-1, 1):
        eye_x = shift + side * (0.42 - 0.08 * side * head.turn)
        fill(ellipse(eye_x, -0.18, head.eye_size * 1.25, head.eye_size * 1.05), shade(head.eye, 1.5))
        fill(ellipse(eye_x, -0.18, head.eye_size * 0.75, head.eye_size * 0.9), shade(head.eye, 0.4))
    length = 0.26 + 0.42 * head.muzzle
    muzzle_y = 0.38 + 0.26 * head.muzzle
    muzzle_x = shift * (1 + 0.6 * head.muzzle)
    fill(ellipse(muzzle_x, muzzle_y, 0.42, length), blend(head.fur, WHITE))
    nose_width = 0.11 + 0.17 * head.nose
    nose_y = muzzle_y - 0.35 * length
    fill(nose(muzzle_x, nose_y, nose_width, head.nose), head.nose_colour)
    mouth_y = nose_y + nose_width * 1.6
    for side in (-1, 1):
        fill(ellipse(muzzle_x + side * 0.11, mouth_y, 0.12, 0.03), head.nose_colour)


def ear(dogness: float, size: float, side: int, width: float) -> np.ndarray:
    """The outline (P, 2) of the ear on the left (-1) or right (1): upright and pointed to hanging and round."""
    import numpy as np

    # The direction of the tip, from nearly straight up to outwards and down.
    angle = np.deg2rad(-72 + 112 * dogness)
    root = np.array([0.62 + 0.16 * dogness, -0.68 + 0.22 * dogness])
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    length = 0.98 * size
    # Half the breadth at the root, the middle and shortly before the tip: a triangle to a tongue.
    root_half, middle_half, tip_half = 0.42, 0.26 + 0.1 * dogness, 0.07 + 0.2 * dogness
    knots = [
        root - across * root_half,
        root + along * 0.5 * length - across * middle_half,
        root + along * 0.9 * length - across * tip_half,
        root + along * length,
        root + along * 0.9 * length + across * tip_half,
        root + along * 0.5 * length + across * middle_half,
        root + across * root_half,
        root - along * 0.3,
    ]
    return spline(np.array(knots)) * np.array([side * width, 1.0])


def nose(x: float, y: float, half_width: float, dogness: float) -> np.ndarray:
    """The outline (P, 2): a small triangle on its tip to a broad oval."""
    import numpy as np

    top = 0.55 + 0.25 * dogness
    corner = 0.75 * dogness
    knots = np.array([[-1, -top], [0, -top - 0.1], [1, -top], [corner, 0.5], [0, 0.95], [-corner, 0.5]])
    return spline(knots) * half_width + np.array([x, y])


def ellipse(x: float, y: float, half_width: float, half_height: float) -> np.ndarray:
    """The outline (48, 2)."""
    import numpy as np

    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    return np.stack([x + half_width * np.cos(angles), y + half_height * np.sin(angles)], axis=1)


def spline(knots: np.ndarray) -> np.ndarray:
    """The closed Catmull-Rom curve through the knots (P, 2), with 8 points from each to the next: (8 P, 2)."""
    import numpy as np

    t = np.linspace(0, 1, _POINTS_A_PIECE, endpoint=False)[None, :, None]
    before, after, second = (
        np.roll(knots, 1, 0)[:, None],
        np.roll(knots, -1, 0)[:, None],
        np.roll(knots, -2, 0)[:, None],
    )
    here = knots[:, None]
    curve = (
        2 * here
        + (after - before) * t
        + (2 * before - 5 * here + 4 * after - second) * t**2
        + (3 * here - before - 3 * after + second) * t**3
    ) / 2
    return curve.reshape(-1, 2)


def around(outline: np.ndarray, factor: float) -> np.ndarray:
    """The outline (P, 2), larger or smaller about its middle."""
    middle = outline.mean(axis=0)
    return middle + (outline - middle) * factor


def blend(one: Colour, other: Colour) -> Colour:
    """The colour in the middle."""
    red, green, blue = ((a + b) // 2 for a, b in zip(one, other, strict=True))
    return red, green, blue


def shade(colour: Colour, factor: float) -> Colour:
    """The colour, darker below 1 and lighter above."""
    red, green, blue = (int(min(c * factor, 255)) for c in colour)
    return red, green, blue

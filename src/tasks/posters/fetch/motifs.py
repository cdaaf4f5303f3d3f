"""What a genre looks like on a generated poster: one shape each, and shapes of no genre made of the same parts.

A shape is a list of polygons around the origin, at most 1 away from it, y downwards; each is drawn over those before
it, either in the motif's ink or in the background's colour.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

Shape = list[tuple[bool, "np.ndarray"]]
"""For each polygon whether it is of ink, and its corners (P, 2) as x, y."""

_CORNERS = 40
"""Of what is round."""


def _oval(x: float, y: float, width: float, height: float) -> np.ndarray:
    import numpy as np

    angles = np.linspace(0, 2 * np.pi, _CORNERS)
    return np.column_stack([x + width * np.cos(angles), y + height * np.sin(angles)])


def _ring(x: float, y: float, width: float, height: float, thickness: float) -> np.ndarray:
    """An oval with a hole, as one polygon that runs around the outside and back around the inside."""
    import numpy as np

    inside = _oval(x, y, width - thickness, height - thickness)
    return np.concatenate([_oval(x, y, width, height), inside[::-1]])


def _box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    import numpy as np

    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def _points(*corners: tuple[float, float]) -> np.ndarray:
    import numpy as np

    return np.array(corners, np.float64)


def explosion() -> Shape:
    """A star of twelve rays."""
    import numpy as np

    angles = np.arange(24) * np.pi / 12
    radii = np.where(np.arange(24) % 2 == 0, 0.8, 0.42)
    return [(True, np.column_stack([radii * np.cos(angles), radii * np.sin(angles)]))]


def laughing_face() -> Shape:
    """A disc with two eyes and an open mouth."""
    import numpy as np

    angles = np.linspace(0, np.pi, _CORNERS)
    mouth = np.column_stack([0.46 * np.cos(angles), 0.04 + 0.46 * np.sin(angles)])
    eyes = [(False, _oval(x, -0.26, 0.12, 0.17)) for x in (-0.29, 0.29)]
    return [(True, _oval(0, 0, 0.76, 0.76)), *eyes, (False, mouth)]


def handcuffs() -> Shape:
    """Two rings and the chain between them."""
    return [
        (True, _ring(-0.58, 0, 0.42, 0.42, 0.16)),
        (True, _ring(0.58, 0, 0.42, 0.42, 0.16)),
        (True, _box(-0.2, -0.08, 0.2, 0.08)),
    ]


def standing_person() -> Shape:
    """A head above a coat."""
    coat = _points((-0.22, -0.5), (0.22, -0.5), (0.5, 1), (-0.5, 1))
    return [(True, _oval(0, -0.76, 0.24, 0.24)), (True, coat)]


def bat() -> Shape:
    """Spread wings with scalloped edges, and two ears."""
    right = [(0.1, -0.32), (0.2, -0.5), (0.26, -0.2), (0.6, -0.42), (1, -0.1), (0.78, 0), (0.62, 0.24), (0.44, 0.08)]
    half = [*right, (0.26, 0.3), (0.12, 0.2), (0, 0.5)]
    return [(True, _points(*half, *[(-x, y) for x, y in reversed(half[:-1])]))]


def heart() -> Shape:
    """The curve x = 16 sin^3 t, y = 13 cos t - 5 cos 2t - 2 cos 3t - cos 4t."""
    import numpy as np

    t = np.linspace(0, 2 * np.pi, _CORNERS)
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return [(True, np.column_stack([16 * np.sin(t) ** 3, -y]) / 20)]


def ringed_planet() -> Shape:
    """A disc in a flat ring that is wider than it."""
    return [(True, _oval(0, 0, 0.55, 0.55)), (False, _oval(0, 0, 0.8, 0.2)), (True, _ring(0, 0, 1, 0.28, 0.12))]


def cactus() -> Shape:
    """A stem with two raised arms."""
    return [
        (True, _box(-0.16, -1, 0.16, 1)),
        (True, _box(-0.66, 0.05, 0, 0.28)),
        (True, _box(-0.66, -0.5, -0.44, 0.28)),
        (True, _box(0, -0.2, 0.66, 0.03)),
        (True, _box(0.44, -0.75, 0.66, 0.03)),
    ]


MOTIFS: dict[str, Callable[[], Shape]] = {
    "Action": explosion,
    "Comedy": laughing_face,
    "Crime": handcuffs,
    "Drama": standing_person,
    "Horror": bat,
    "Romance": heart,
    "Sci-Fi": ringed_planet,
    "Western": cactus,
}
"""The genres that generated posters have, each with its shape."""


def decoys() -> list[Shape]:
    """Shapes of no genre: the parts of the motifs by themselves."""
    return [
        [(True, _oval(0, 0, 0.7, 0.7))],
        [(True, _ring(0, 0, 0.6, 0.6, 0.2))],
        [(True, _ring(0, 0, 1, 0.3, 0.12))],
        [(True, _box(-0.2, -1, 0.2, 1))],
        [(True, _points((0, -0.9), (0.6, 0.9), (-0.6, 0.9)))],
        [(True, _box(-0.7, -0.5, 0.7, 0.5)), (False, _oval(0, 0, 0.3, 0.3))],
    ]

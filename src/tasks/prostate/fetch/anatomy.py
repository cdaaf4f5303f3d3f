"""The pelvis of the sample's patients: shapes and tissues as functions of a point in millimetres.

Points are (..., 3) in LPS about the gland's centre: x to the left, y to the back, z to the head. Sizes of the gland are
those of adults: about 48 x 38 x 40 mm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

# Brightness of each tissue on a T2-weighted image, 1 for fat.
FAT = 0.85
MUSCLE = 0.24
URINE = 1.15
BONE = 0.5


@dataclass(frozen=True)
class Anatomy:
    """What differs between patients."""

    semi_axes_mm: np.ndarray
    """(3,) of the gland."""
    harmonics: np.ndarray
    """(9,) shares by which the gland's radius deviates from the ellipsoid's, one for each of nine low waves."""
    transition_share: float
    """Size of the transition zone within the gland."""
    peripheral: float
    """Brightness of the peripheral zone; much of it is within the range of fat's."""
    transition: float
    nodules: np.ndarray
    """(N, 5): centre within the gland in shares of its axes, radius in mm, brightness."""
    bladder_fill: float
    rectum_radius_mm: float
    rectum_offset_mm: float
    rectum_content: float
    weak_slabs_mm: np.ndarray
    """(N, 2) from and to along z: there, what touches the gland is as bright as the gland."""


def draw_anatomy(rng: np.random.Generator) -> Anatomy:
    """A patient of chance."""
    import numpy as np

    axes = np.array([24.0, 19.0, 20.0]) * rng.uniform(0.84, 1.2) * rng.uniform(0.92, 1.08, 3)
    n_nodules = int(rng.integers(4, 9))
    nodules = np.column_stack(
        [
            rng.uniform(-0.5, 0.5, n_nodules),
            rng.uniform(-0.55, 0.25, n_nodules),
            rng.uniform(-0.5, 0.5, n_nodules),
            rng.uniform(3, 7, n_nodules),
            rng.uniform(0.25, 0.8, n_nodules),
        ]
    )
    starts = np.sort(rng.uniform(-1, 0.8, 2)) * axes[2]
    return Anatomy(
        semi_axes_mm=axes,
        harmonics=rng.normal(0, 0.035, 9),
        transition_share=float(rng.uniform(0.6, 0.75)),
        peripheral=float(rng.uniform(0.62, 0.88)),
        transition=float(rng.uniform(0.36, 0.5)),
        nodules=nodules,
        bladder_fill=float(rng.uniform(0.6, 1.2)),
        rectum_radius_mm=float(rng.uniform(9, 15)),
        rectum_offset_mm=float(rng.uniform(-4, 4)),
        rectum_content=float(rng.choice([0.05, 0.45, 0.8])),
        weak_slabs_mm=np.column_stack([starts, starts + 0.2 * axes[2]]),
    )


def gland_distance(points: np.ndarray, anatomy: Anatomy) -> np.ndarray:
    """(..., 3) mm to (...): below 1 inside of the gland, 1 on its surface."""
    import numpy as np

    scaled = points / anatomy.semi_axes_mm
    radius = np.sqrt((scaled**2).sum(axis=-1)) + 1e-6
    x, y, z = np.moveaxis(scaled / radius[..., None], -1, 0)
    waves = (
        x * y,
        y * z,
        x * z,
        x**2 - y**2,
        3 * z**2 - 1,
        y,
        x * y * z * 3,
        z * (x**2 - y**2) * 2,
        y * (3 * z**2 - 1),
    )
    swell = sum(share * wave for share, wave in zip(anatomy.harmonics, waves, strict=True))
    # Narrower towards the feet, as the apex is.
    return radius / (1 + swell + 0.1 * z)


def brightness(points: np.ndarray, anatomy: Anatomy, texture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Brightness (...) at (..., 3) points, and whether each is in the gland. texture: (...) of deviation 1, smooth."""
    import numpy as np

    x, y, z = np.moveaxis(points, -1, 0)
    axes = anatomy.semi_axes_mm
    distance = gland_distance(points, anatomy)
    gland = distance < 1
    # Fat with vessels and connective tissue in it: as bright as the peripheral zone here, as dark as muscle there.
    value = np.clip(FAT - 0.12 + 0.14 * texture, 0.3, 1.1)

    side = np.abs(x) - (axes[0] + 11 + 0.05 * y)
    value = np.where((side > 0) & (side < 16) & (np.abs(y) < 34), MUSCLE + 0.05 * texture, value)
    value = np.where(side >= 16, BONE + 0.12 * texture, value)
    pubis = (y < -axes[1] - 14) & (np.abs(x) < 26)
    value = np.where(pubis, BONE + 0.1 * texture, value)
    # The levator sling: dark bands that touch the gland from both sides below its middle.
    sling = np.abs(np.abs(x) - 0.92 * axes[0] * np.sqrt(np.clip(1 - (z / (1.6 * axes[2])) ** 2, 0.2, 1)) - 4) < 2.5
    value = np.where(sling & (z < 2) & (y > -10), MUSCLE + 0.08 + 0.06 * texture, value)

    # Tissue of the gland's own brightness around it: veins and bundles.
    shell = (distance >= 1) & (distance < 1.22)
    value = np.where(shell & (texture > 0.3), 0.9 * anatomy.peripheral + 0.1 * texture, value)

    bladder = (
        (x / 30) ** 2
        + ((y + 6) / 24) ** 2
        + ((z - axes[2] - 17 * anatomy.bladder_fill) / (18 * anatomy.bladder_fill)) ** 2
    )
    value = np.where(bladder < 1.25, MUSCLE + 0.12 + 0.05 * texture, value)
    value = np.where(bladder < 1, URINE + 0.03 * texture, value)

    rectum = np.hypot(x - anatomy.rectum_offset_mm, y - axes[1] - anatomy.rectum_radius_mm - 3 + 0.12 * z)
    value = np.where(rectum < anatomy.rectum_radius_mm + 3, MUSCLE + 0.14 + 0.05 * texture, value)
    content = anatomy.rectum_content
    value = np.where(rectum < anatomy.rectum_radius_mm, content + 0.25 * content * texture, value)

    inside = anatomy.peripheral + 0.05 * texture
    zone = ((points - np.array([0, -0.22, 0.1]) * axes) / (axes * anatomy.transition_share)) ** 2
    transition = zone.sum(axis=-1) < 1
    inside = np.where(transition, anatomy.transition + 0.12 * texture, inside)
    for nodule in anatomy.nodules:
        away = np.sqrt(((points - nodule[:3] * axes) ** 2).sum(axis=-1))
        inside = np.where((away < nodule[3]) & (distance < 0.9), nodule[4] + 0.06 * texture, inside)
    stroma = (np.abs(x) < 7) & (y < -0.55 * axes[1])
    inside = np.where(stroma, 0.28 + 0.05 * texture, inside)

    is_weak = np.zeros_like(gland)
    for start, end in anatomy.weak_slabs_mm:
        is_weak |= (z > start) & (z < end)
    value = np.where(is_weak & shell, anatomy.peripheral + 0.05 * texture, value)
    # The capsule, a dark line that is lost where the edge is weak.
    inside = np.where((distance > 0.91) & ~is_weak, 0.26 + 0.05 * texture, inside)
    return np.where(gland, inside, value), gland

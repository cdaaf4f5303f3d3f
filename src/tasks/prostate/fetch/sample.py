"""The built-in sample: invented patients in the layout and the file formats of PI-CAI."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.prostate.fetch.anatomy import brightness, draw_anatomy

if TYPE_CHECKING:
    import numpy as np
    import SimpleITK

    from tasks.prostate.fetch.anatomy import Anatomy

# Every this many patients one comes back for a second study.
SECOND_STUDY_EVERY = 6
# How scanners store an axial series, most of them as the first.
ORIENTATIONS = ("LPS", "LPS", "RAS", "LPI", "PIL", "LPS")
FIRST_PATIENT = 10_000
FIRST_STUDY = 1_000_000


def write_sample(folder: Path, patients: int, seed: int) -> int:
    """Write images/<patient>_<study>.mha, masks/<patient>_<study>.nii.gz and dataset.csv; return how many studies.

    Each patient has an anatomy of their own; a second study is the same anatomy with another position, filling,
    scanner and noise. The files are the same bytes for the same arguments.
    """
    import numpy as np

    rows: list[tuple[str, str, str]] = []
    (folder / "images").mkdir()
    (folder / "masks").mkdir()
    for number in range(patients):
        # One stream a patient, so that more patients do not change the others.
        rng = np.random.default_rng([seed, number])
        anatomy = draw_anatomy(rng)
        for _ in range(2 if number % SECOND_STUDY_EVERY == SECOND_STUDY_EVERY - 1 else 1):
            name = f"{FIRST_PATIENT + number}_{FIRST_STUDY + len(rows)}"
            row = (str(FIRST_PATIENT + number), f"images/{name}.mha", f"masks/{name}.nii.gz")
            volume, mask = draw_study(anatomy, ORIENTATIONS[len(rows) % len(ORIENTATIONS)], rng)
            _write(volume, folder / row[1])
            _write(mask, folder / row[2])
            rows.append(row)
    with (folder / "dataset.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("PatientID", "T2_path", "wg_path"))
        writer.writerows(rows)
    return len(rows)


def draw_study(anatomy: Anatomy, orientation: str, rng: np.random.Generator) -> tuple[SimpleITK.Image, SimpleITK.Image]:
    """A volume (int16) and its mask (uint8, 1 in the gland) of a patient in a scanner of chance.

    orientation: the order in which the file stores the three axes, such as `RAS`.
    """
    import numpy as np
    import SimpleITK
    from scipy.ndimage import gaussian_filter

    in_plane_mm = float(rng.choice([0.8, 0.9, 1.0, 1.15]))
    spacing = np.array([in_plane_mm, in_plane_mm, float(rng.choice([3.0, 3.0, 3.6]))])
    extent_mm = np.array([112.0, 112.0, rng.uniform(66, 78)])
    size = np.round(extent_mm / spacing).astype(int)
    direction = _tilt(rng.uniform(-12, 12), rng.uniform(-6, 6))
    centre_mm = rng.uniform(-9, 9, 3)  # Of the volume, from the gland's.
    bed_mm = rng.uniform(-60, 60, 3)  # Of the gland, in the scanner.

    index = np.stack(np.meshgrid(*(np.arange(n) for n in size[::-1]), indexing="ij"), axis=-1)[
        ..., ::-1
    ]  # (D, H, W, 3)
    offset = (index - (size - 1) / 2) * spacing
    points = offset @ direction.T + centre_mm
    sigma = 4 / spacing[::-1]
    coarse = gaussian_filter(rng.normal(size=size[::-1]), sigma)
    fine = gaussian_filter(rng.normal(size=size[::-1]), sigma / 2.5)
    texture = 0.8 * coarse / coarse.std() + 0.6 * fine / fine.std()

    clean, gland = brightness(points, anatomy, texture)
    clean = gaussian_filter(clean, (0.25, 0.6, 0.6))  # What a voxel sees of its neighbours.
    scanned = _noisy(clean * _bias(offset / extent_mm, rng), rng.uniform(8, 20), rng)
    volume = SimpleITK.GetImageFromArray(np.round(scanned * rng.uniform(250, 900)).astype(np.int16))
    mask = SimpleITK.GetImageFromArray(gland.astype(np.uint8))
    for image in (volume, mask):
        image.SetSpacing(spacing.tolist())
        image.SetDirection(direction.ravel().tolist())
        image.SetOrigin((bed_mm + centre_mm - direction @ ((size - 1) / 2 * spacing)).tolist())
    return SimpleITK.DICOMOrient(volume, orientation), SimpleITK.DICOMOrient(mask, orientation)


def _tilt(about_x_degrees: float, about_z_degrees: float) -> np.ndarray:
    import numpy as np
    from scipy.spatial.transform import Rotation

    return np.asarray(Rotation.from_euler("xz", [about_x_degrees, about_z_degrees], degrees=True).as_matrix())


def _bias(place: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The coil's sensitivity, within 30 % of 1: (..., 3) places from -0.5 to 0.5 to (...)."""
    import numpy as np

    x, y, z = np.moveaxis(place * 2, -1, 0)
    waves = np.stack([x, y, z, x * y, x**2 - 0.5, y**2 - 0.5])
    field = np.tensordot(rng.normal(size=6), waves, axes=1)
    return 1 + 0.3 * field / np.abs(field).max()


def _noisy(clean: np.ndarray, signal_to_noise: float, rng: np.random.Generator) -> np.ndarray:
    """Rician noise, as the magnitude of a complex signal has it."""
    import numpy as np

    sigma = clean.mean() / signal_to_noise
    real = clean + rng.normal(0, sigma, clean.shape)
    return np.hypot(real, rng.normal(0, sigma, clean.shape))


def _write(image: SimpleITK.Image, path: Path) -> None:
    import SimpleITK

    SimpleITK.WriteImage(image, str(path), useCompression=True)

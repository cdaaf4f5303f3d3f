"""Volumes in the real layout, drawn by the tests."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK

from tasks.common.stage.files import write_json
from tasks.common.stage.paths import TaskPaths

STUDIES = [f"{patient}_{number}" for number, patient in enumerate((1, 2, 3, 4, 5, 6, 6))]


def ball(
    radius_mm: float = 12,
    *,
    centre_mm: Sequence[float] = (0, 0, 0),
    spacing: Sequence[float] = (1, 1, 3),
    size: Sequence[int] = (48, 48, 16),
    direction: np.ndarray | None = None,
    orientation: str = "LPS",
    seed: int = 0,
    origin_mm: Sequence[float] = (5, -7, 11),
) -> tuple[SimpleITK.Image, SimpleITK.Image]:
    """A bright ball on a dark noisy ground, and its mask. centre_mm: of the ball, from the volume's centre."""
    direction = np.eye(3) if direction is None else direction
    spacing_mm, n = np.array(spacing, float), np.array(size)
    index = np.stack(np.meshgrid(*(np.arange(k) for k in n[::-1]), indexing="ij"), axis=-1)[..., ::-1]
    points = ((index - (n - 1) / 2) * spacing_mm) @ direction.T - np.array(centre_mm)
    inside = (points**2).sum(axis=-1) < radius_mm**2
    noise = np.random.default_rng(seed).normal(0, 5, inside.shape)
    images = []
    for array in ((100 + 100 * inside + noise).astype(np.int16), inside.astype(np.uint8)):
        image = SimpleITK.GetImageFromArray(array)
        image.SetSpacing(spacing_mm.tolist())
        image.SetDirection(direction.ravel().tolist())
        image.SetOrigin(list(origin_mm))
        images.append(SimpleITK.DICOMOrient(image, orientation))
    return images[0], images[1]


def write(image: SimpleITK.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    SimpleITK.WriteImage(image, str(path))


def write_layout(raw: Path, studies: Sequence[str], *, table: bool = True, **options: Any) -> None:
    """`<patient>_<study>` studies with a ball each in the layout of PI-CAI, and source.json."""
    rows = []
    for number, name in enumerate(studies):
        volume, mask = ball(seed=number, **options)
        row = (name.partition("_")[0], f"images/{name}.mha", f"masks/{name}.nii.gz")
        write(volume, raw / row[1])
        write(mask, raw / row[2])
        rows.append(row)
    write_json(raw / "source.json", {"name": "balls"})
    if table:
        write_table(raw, rows)


def write_table(raw: Path, rows: Sequence[Sequence[str]]) -> None:
    with (raw / "dataset.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("PatientID", "T2_path", "wg_path"), *rows])


def set_aside(paths: TaskPaths) -> dict[str, str]:
    """The reasons in the report of prepare, by what each is about."""
    report = json.loads((paths.prepared / "data_report.json").read_text())
    return {entry["source"]: entry["reason"] for entry in report["set_aside_because"]}

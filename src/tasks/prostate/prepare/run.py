"""prepare: volumes and masks on equal slices in millimetres, in folds of whole patients."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, field_validator

from tasks.common.data.manifest import Example, content_digest, join_groups, write_manifest
from tasks.common.data.report import SetAside, check_share, write_report
from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import new_folder, write_json
from tasks.common.stage.params import PARAMS_FILE, StageParams
from tasks.common.stage.paths import TaskPaths
from tasks.common.stage.progress import progress
from tasks.prostate.prepare.folds import assign_folds, choose_validation, fold_name, read_folds
from tasks.prostate.prepare.grid import (
    Intensity,
    Interpolation,
    Recipe,
    cut_mask,
    cut_slices,
    gland_voxels,
    target_grid,
)
from tasks.prostate.prepare.growing_array import growing_array
from tasks.prostate.prepare.studies import Study, list_studies
from tasks.prostate.prepare.volumes import BadVolumeError, read_mask, read_volume

if TYPE_CHECKING:
    import numpy as np

LABEL = "gland"
Millimetres = Annotated[float, Field(gt=0, le=50)]
Percentile = Annotated[float, Field(ge=0, le=100)]


class Params(StageParams):
    """`prostate.prepare`."""

    slice_mm: Millimetres
    pixel_mm: Millimetres
    side_pixels: Annotated[int, Field(ge=16, le=1024, multiple_of=16)]
    interpolation: Interpolation
    clip_percentiles: Annotated[list[Percentile], Field(min_length=2, max_length=2)]
    intensity: Intensity
    gland_labels: Annotated[list[Annotated[int, Field(ge=1, le=255)]], Field(min_length=1)]
    folds: Annotated[int, Field(ge=2, le=20)]
    folds_file: str | None
    validation_fraction: Annotated[float, Field(gt=0, lt=0.5)]
    seed: Annotated[int, Field(ge=0)]
    max_rejected_share: Annotated[float, Field(ge=0, lt=1)]

    @field_validator("clip_percentiles")
    @classmethod
    def _in_order(cls, value: list[float]) -> list[float]:
        if value[0] >= value[1]:
            raise ValueError("the first percentile must be below the second")
        return value

    def recipe(self) -> Recipe:
        """What of it says how slices are cut."""
        low, high = self.clip_percentiles
        return Recipe(self.slice_mm, self.pixel_mm, self.side_pixels, self.interpolation, (low, high), self.intensity)


def run(paths: TaskPaths, params: Params) -> None:
    """Write images.npy and masks.npy, (S, H, W) for the S slices of all studies, with manifest.csv and volumes.json.

    Raises TaskError where too many studies cannot be used, or too few patients are left for the folds.
    """
    studies, set_aside = list_studies(paths.raw)
    with new_folder(paths.prepared) as folder:
        prepared, unusable = _cut_all(paths, studies, params, folder)
        set_aside = [*set_aside, *unusable]
        check_share(set_aside, len(prepared), params.max_rejected_share, str(paths.raw))
        groups = join_groups([each.digest for each in prepared], [each.study.patient for each in prepared])
        fold_of, n_folds = _folds(paths, params, {e.study.id: g for e, g in zip(prepared, groups, strict=True)})
        examples = [
            Example(each.study.id, fold_name(fold_of[group]), LABEL, each.digest, group, each.study.source)
            for each, group in zip(prepared, groups, strict=True)
        ]
        validation = choose_validation(fold_of, n_folds, params.validation_fraction, params.seed)
        measures: dict[str, list[int | float]] = {
            "slices": [each.slices for each in prepared],
            "gland_voxels": [each.target_voxels for each in prepared],
            "mean_intensity": [each.mean_intensity for each in prepared],
        }
        write_manifest(folder, examples, str(paths.raw), measures)
        volumes = [
            {"id": each.study.id, "slices": each.slices, "target_voxels": each.target_voxels} for each in prepared
        ]
        write_json(
            folder / "volumes.json",
            {
                "recipe": asdict(params.recipe()),
                "volumes": volumes,
                "validation": {fold_name(fold): names for fold, names in enumerate(validation)},
            },
        )
        extra = {
            "patients": len(set(groups)),
            "slices": sum(each.slices for each in prepared),
            "slices_without_gland": sum(each.slices_without_gland for each in prepared),
            "gland_voxels_outside_of_crop": sum(each.target_voxels - each.mask_voxels for each in prepared),
        }
        write_report(paths, folder, examples, set_aside, extra=extra)


@dataclass(frozen=True)
class _Prepared:
    """What is kept in memory of a study."""

    study: Study
    digest: str
    slices: int
    slices_without_gland: int
    mask_voxels: int
    target_voxels: int
    mean_intensity: float
    """Of the volume as it came."""


def _cut_all(
    paths: TaskPaths, studies: Sequence[Study], params: Params, folder: Path
) -> tuple[list[_Prepared], list[SetAside]]:
    """Write images.npy and masks.npy with the slices of all usable studies."""
    import SimpleITK

    # One thread a volume is faster than all threads on one volume.
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    prepared: list[_Prepared] = []
    set_aside: list[SetAside] = []
    first_with: dict[str, str] = {}
    shape = (params.side_pixels, params.side_pixels)
    with (
        progress(f"prepare {paths.task}", len(studies), "study") as advance,
        growing_array(folder / "images.npy", shape, "uint8" if params.intensity == "8bit" else "float32") as add_images,
        growing_array(folder / "masks.npy", shape, "uint8") as add_masks,
        ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool,
    ):
        for study, result in zip(studies, pool.map(lambda study: _cut(study, params), studies), strict=True):
            advance(study.id)
            if isinstance(result, str):
                set_aside.append(SetAside(study.source, result))
                continue
            images, masks, each = result
            first = first_with.setdefault(each.digest, study.id)
            if first != study.id:
                set_aside.append(SetAside(study.source, f"has the same voxels as the study {first}"))
                continue
            add_images(images)
            add_masks(masks)
            prepared.append(each)
    return prepared, set_aside


def _cut(study: Study, params: Params) -> tuple[np.ndarray, np.ndarray, _Prepared] | str:
    import SimpleITK

    try:
        volume = read_volume(study.volume)
        mask = read_mask(study.mask, params.gland_labels, volume)
    except BadVolumeError as reason:
        return str(reason)
    recipe = params.recipe()
    voxels = SimpleITK.GetArrayFromImage(volume)
    grid = target_grid(volume, recipe)
    images, masks = cut_slices(volume, grid, recipe), cut_mask(mask, grid)
    prepared = _Prepared(
        study=study,
        digest=content_digest(str(volume.GetSize()).encode(), voxels.tobytes()),
        slices=len(images),
        slices_without_gland=int((~masks.any(axis=(1, 2))).sum()),
        mask_voxels=int(masks.sum()),
        target_voxels=gland_voxels(mask, volume, recipe),
        mean_intensity=float(voxels.mean(dtype="float64")),
    )
    return images, masks, prepared


def _folds(paths: TaskPaths, params: Params, group_of: Mapping[str, str]) -> tuple[dict[str, int], int]:
    """The fold of each group, and how many there are. group_of: by study."""
    if params.folds_file is None:
        return assign_folds(group_of.values(), params.folds, params.seed), params.folds
    path = (paths.raw / params.folds_file).resolve()
    if not path.is_relative_to(paths.raw.resolve()):
        raise TaskError(
            f"{PARAMS_FILE}: prostate.prepare.folds_file is {params.folds_file!a}, outside of the data; "
            "name a file among the raw data, or null."
        )
    return read_folds(path, group_of)

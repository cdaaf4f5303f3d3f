"""package: the model that answers, a refit or one fold's or all folds', as a service from volumes to masks."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from pydantic import field_validator

from tasks.common.model.card import read_card, write_card
from tasks.common.packaging.build import Inputs, PackageParams, build_package
from tasks.common.packaging.examples import file_inputs
from tasks.common.stage.paths import TaskPaths
from tasks.prostate.infer import ENDPOINT
from tasks.prostate.model.prepared import open_prepared
from tasks.prostate.package.chosen import Folds, choose, scores_of


class Params(PackageParams):
    """`prostate.package`."""

    folds: Folds

    @field_validator("folds", mode="before")
    @classmethod
    def _is_of_folds(cls, value: Any) -> Any:
        if value == "refit":
            raise ValueError("a refit is trained, so set train.final_model to refit, and this to best or ensemble")
        return value


def run(paths: TaskPaths, params: Params) -> None:
    """Write packages/prostate. Raises TaskError where there is no usable model, or no history to choose by."""
    card = choose(read_card(paths.model, paths.task), paths.history / "plots" / "metrics", params.folds)

    def copy(folder: Path) -> None:
        for name in card.files:
            shutil.copyfile(paths.model / name, folder / name)
        write_card(folder, card)

    inputs = _inputs(paths, params.examples)
    build_package(paths, params, ENDPOINT, inputs, copy_model=copy, scores_of=scores_of(card))


def _inputs(paths: TaskPaths, count: int) -> Inputs:
    """The first studies as the model's slices show them: volumes on its own grid."""
    import SimpleITK

    prepared = open_prepared(paths.prepared)
    files = []
    with tempfile.TemporaryDirectory() as name:
        for volume in range(min(count, len(prepared.volumes))):
            image = SimpleITK.GetImageFromArray(prepared.images[prepared.slices(volume)])
            pixel_mm = prepared.recipe["pixel_mm"]
            image.SetSpacing([pixel_mm, pixel_mm, prepared.recipe["slice_mm"]])
            path = Path(name) / f"{volume}.mha"
            SimpleITK.WriteImage(image, str(path), useCompression=True)
            files.append(path.read_bytes())
    return file_inputs(ENDPOINT, files)

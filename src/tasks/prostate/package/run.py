"""package: the models of one fold or of all as a service that takes volumes and gives masks."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from tasks.common.model.card import read_card
from tasks.common.packaging.build import Inputs, PackageParams, build_package
from tasks.common.packaging.examples import file_inputs
from tasks.common.stage.paths import TaskPaths
from tasks.prostate.infer import ENDPOINT
from tasks.prostate.model.prepared import open_prepared
from tasks.prostate.package.folds import Folds, copy_folds


class Params(PackageParams):
    """`prostate.package`."""

    folds: Folds


def run(paths: TaskPaths, params: Params) -> None:
    """Write packages/prostate. Raises TaskError where there is no usable model, or no history to choose a fold by."""
    card = read_card(paths.model, paths.task)
    history = paths.history / "plots" / "metrics"
    copy = functools.partial(copy_folds, paths.model, card, history, params.folds)
    build_package(paths, params, ENDPOINT, _inputs(paths, params.examples), copy_model=copy)


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

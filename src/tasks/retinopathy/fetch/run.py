"""fetch: the sample that comes with the task, a folder of this repository, or a data version of DVC."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tasks.common.sources.source import SOURCE_FILE, Source, fetch_source
from tasks.common.stage.files import new_folder, write_json
from tasks.common.stage.params import StageParams
from tasks.common.stage.paths import TaskPaths
from tasks.retinopathy.fetch.sample import write_sample


class Params(StageParams):
    """`retinopathy.fetch`."""

    source: Source
    images: Annotated[int, Field(ge=50, le=100_000)]
    image_height: Annotated[int, Field(ge=32, le=4096)]
    seed: Annotated[int, Field(ge=0)]


def run(paths: TaskPaths, params: Params) -> None:
    """Write photographs and their grades in the layout they have at their source, and source.json. Raises TaskError."""
    with new_folder(paths.raw) as folder:
        if params.source == "builtin":
            said = write_sample(folder, params.images, params.image_height, params.seed)
        else:
            said = fetch_source(paths, params.source, folder)
        write_json(folder / SOURCE_FILE, said)

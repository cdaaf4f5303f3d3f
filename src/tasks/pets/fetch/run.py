"""fetch: the built-in sample, or photographs of one's own, as `{train,test}/{Cat,Dog}/<n>.jpg`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tasks.common.sources.source import SOURCE_FILE, Source, fetch_source
from tasks.common.stage.files import new_folder, write_json
from tasks.common.stage.params import StageParams
from tasks.common.stage.paths import TaskPaths
from tasks.common.stage.progress import say
from tasks.pets.fetch.sample import write_sample


class Params(StageParams):
    """`pets.fetch`."""

    source: Source
    train_images: Annotated[int, Field(ge=20, le=100_000)]
    test_images: Annotated[int, Field(ge=20, le=100_000)]
    seed: Annotated[int, Field(ge=0)]


def run(paths: TaskPaths, params: Params) -> None:
    """Write the photographs in their folders, and source.json. Raises TaskError for a source that cannot be had."""
    with new_folder(paths.raw) as folder:
        if params.source == "builtin":
            write_sample(folder, params.train_images, params.test_images, params.seed)
            said = {
                "name": "drawn heads of cats and dogs before parts of photographs that scikit-image carries",
                "licence": "the drawings as this repository; the photographs behind them CC0 or in the public domain",
                "synthetic": True,
                "files": params.train_images + params.test_images,
            }
        else:
            said = fetch_source(paths, params.source, folder)
        write_json(folder / SOURCE_FILE, said)
    say(f"fetch {paths.task}: {said['files']} files of {said['name']}")

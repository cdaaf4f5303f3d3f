"""fetch: generated posters, or the real set from this repository or a data version."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tasks.common.sources.source import SOURCE_FILE, Source, fetch_source
from tasks.common.stage.files import new_folder, write_json
from tasks.common.stage.params import StageParams
from tasks.common.stage.paths import TaskPaths
from tasks.posters.fetch.sample import write_sample


class Params(StageParams):
    """`posters.fetch`."""

    source: Source
    posters: Annotated[int, Field(ge=100, le=100_000)]
    seed: Annotated[int, Field(ge=0)]


def run(paths: TaskPaths, params: Params) -> None:
    """Write Images/<id>.jpg, train.csv with Id, Genre and a column of 0 and 1 for each genre, and source.json."""
    with new_folder(paths.raw) as folder:
        if params.source == "builtin":
            write_sample(folder, params.posters, params.seed)
            said = {
                "name": "Generated posters: shapes that stand for genres, no film and no picture of a person",
                "licence": "that of this repository",
                "synthetic": True,
                "posters": params.posters,
            }
        else:
            said = fetch_source(paths, params.source, folder)
        write_json(folder / SOURCE_FILE, said)

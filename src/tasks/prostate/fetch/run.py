"""fetch: invented patients, or volumes and masks from a folder or a data version."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tasks.common.sources.source import SOURCE_FILE, Source, fetch_source
from tasks.common.stage.files import new_folder, write_json
from tasks.common.stage.params import StageParams
from tasks.common.stage.paths import TaskPaths
from tasks.common.stage.progress import say
from tasks.prostate.fetch.sample import write_sample


class Borrowed(StageParams):
    """`prostate.fetch.borrowed`: what is known of data that comes from elsewhere."""

    description: str
    provenance: str
    licence: str


class Params(StageParams):
    """`prostate.fetch`."""

    source: Source
    borrowed: Borrowed
    patients: Annotated[int, Field(ge=3, le=1000)]
    seed: Annotated[int, Field(ge=0)]


def run(paths: TaskPaths, params: Params) -> None:
    """Write volumes, masks and dataset.csv in the layout of PI-CAI, and source.json. Raises TaskError."""
    with new_folder(paths.raw) as folder:
        if params.source == "builtin":
            studies = write_sample(folder, params.patients, params.seed)
            said = {
                "name": "Invented pelvic MR volumes, drawn by this program; no measurement of any person is in them",
                "licence": "that of this repository",
                "synthetic": True,
                "patients": params.patients,
                "studies": studies,
            }
        else:
            said = fetch_source(paths, params.source, folder) | params.borrowed.model_dump()
        write_json(folder / SOURCE_FILE, said)
    say(f"fetch {paths.task}: {said['name']}")

"""fetch: scikit-learn's breast cancer with useless columns added, or one CSV file, pinned or at a revision."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from tasks.common.sources.source import SOURCE_FILE, DvcSource, fetch_source
from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import file_digest, new_folder, write_json
from tasks.common.stage.params import PARAMS_FILE, StageParams
from tasks.common.stage.paths import TaskPaths
from tasks.common.stage.progress import say
from tasks.tabular.fetch.sample import SampleParams, sample_source, write_sample

TABLE_FILE = "table.csv"


class CsvSource(StageParams):
    """`tabular.fetch.source` for a file of one's own."""

    path: Annotated[str, Field(min_length=1)]
    sha256: str | None = None
    """Not required here, so that the error for its absence can say what it should be."""
    target: Annotated[str, Field(min_length=1)]


class TableVersion(DvcSource):
    """`tabular.fetch.source` for a file that DVC or git tracks in a repository, at a revision of it."""

    target: Annotated[str, Field(min_length=1)]


def _kind_of_source(value: Any) -> str:
    if isinstance(value, TableVersion) or (isinstance(value, dict) and {"repo", "rev"} & value.keys()):
        return "<version>"
    return "<csv>" if isinstance(value, dict | CsvSource) else "<builtin>"


class Params(SampleParams):
    """`tabular.fetch`."""

    source: Annotated[
        Annotated[Literal["builtin"], Tag("<builtin>")]
        | Annotated[CsvSource, Tag("<csv>")]
        | Annotated[TableVersion, Tag("<version>")],
        Discriminator(_kind_of_source),
    ]


def run(paths: TaskPaths, params: Params) -> None:
    """Write table.csv, with a header, and source.json, which names the target column. Raises TaskError."""
    source = params.source
    with new_folder(paths.raw) as folder:
        if isinstance(source, CsvSource):
            shutil.copyfile(find_csv(paths, source), folder / TABLE_FILE)
            # The file that was checked could have been changed while it was copied.
            digest = _check_digest(folder / TABLE_FILE, paths.task, source)
            said = {"name": source.path, "licence": "that of its owner", "synthetic": False}
            said |= {"path": source.path, "sha256": digest, "target": source.target}
        elif isinstance(source, TableVersion):
            said = fetch_source(paths, source, folder) | {"target": source.target}
            _only_file(folder, source).rename(folder / TABLE_FILE)
        else:
            said = sample_source() | write_sample(folder / TABLE_FILE, params)
        write_json(folder / SOURCE_FILE, said)
    say(f"fetch {paths.task}: {said['name']}")


def _only_file(folder: Path, source: TableVersion) -> Path:
    files = [path for path in folder.rglob("*") if path.is_file()]
    if len(files) != 1:
        raise TaskError(
            f'{PARAMS_FILE}: tabular.fetch.source.path is "{source.path}", a folder of {len(files)} files at '
            f'"{source.rev}"; name one CSV file in it.'
        )
    return files[0]


def find_csv(paths: TaskPaths, source: CsvSource) -> Path:
    """The file that `source` names, inside the repository and with the digest given. Raises TaskError."""
    key = f"{paths.task}.fetch.source.path"
    root = paths.root.resolve()
    path = (root / source.path).resolve()
    if not path.is_relative_to(root):
        raise TaskError(f'{PARAMS_FILE}: {key} is "{source.path}", outside of the repository; copy the file into it.')
    if not path.is_file():
        raise TaskError(
            f'{PARAMS_FILE}: {key} is "{source.path}", which is no file in the repository; '
            "add it, or fetch it with dvc pull if DVC tracks it."
        )
    _check_digest(path, paths.task, source)
    return path


def _check_digest(path: Path, task: str, source: CsvSource) -> str:
    digest = file_digest(path)
    if source.sha256 != digest:
        was = f'is "{source.sha256}"' if source.sha256 else "is missing"
        raise TaskError(
            f'{PARAMS_FILE}: {task}.fetch.source.sha256 {was}, which is not the digest of "{source.path}"; '
            f"if its content is the one you mean, set this line: sha256: {digest}"
        )
    return digest

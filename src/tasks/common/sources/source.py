"""The key `source` of every task: what comes with the task, a folder of this repository, or a data version of DVC."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from tasks.common.stage.params import StageParams
from tasks.common.stage.paths import TaskPaths

SOURCE_FILE = "source.json"
"""What fetch says of the data, beside the data."""


class FolderSource(StageParams):
    """`<task>.fetch.source` for a folder of this repository, pinned by the digest of all that is in it."""

    path: Annotated[str, Field(min_length=1)]
    sha256: str | None = None
    """Not required here, so that the error for its absence can say what it should be."""


class DvcSource(StageParams):
    """`<task>.fetch.source` for a file or folder that DVC or git tracks in a repository, at a revision of it."""

    repo: Annotated[str, Field(min_length=1)]
    """An address that git can clone, or a path from this repository's top: `.` is this repository."""
    path: Annotated[str, Field(min_length=1)]
    rev: Annotated[str, Field(min_length=1)]
    """A tag, branch or commit. What a branch or a moved tag means is looked up when fetch runs, not before."""


def _kind_of_source(value: Any) -> str:
    if isinstance(value, DvcSource) or (isinstance(value, dict) and {"repo", "rev"} & value.keys()):
        return "<dvc>"
    return "<folder>" if isinstance(value, dict | FolderSource) else "<builtin>"


Source = Annotated[
    Annotated[Literal["builtin"], Tag("<builtin>")]
    | Annotated[FolderSource, Tag("<folder>")]
    | Annotated[DvcSource, Tag("<dvc>")],
    Discriminator(_kind_of_source),
]
"""The type of the field `source` in a task's fetch parameters."""


def fetch_source(paths: TaskPaths, source: FolderSource | DvcSource, folder: Path) -> dict[str, Any]:
    """Copy the files of `source` into the folder `folder`, which exists, and return what source.json says of them.

    A source.json in the source itself is left out, because `folder` is to have its own.
    Raises TaskError for a source that is not there, is not what was pinned, or has names or links that lead elsewhere.
    """
    if isinstance(source, FolderSource):
        from tasks.common.sources.folder import copy_folder

        copied = copy_folder(paths, source, folder)
    else:
        from tasks.common.sources.data_version import copy_data_version

        copied = copy_data_version(paths, source, folder)
    return {"name": source.path, "licence": "that of its owner", "synthetic": False} | copied

"""provenance.json: what a package was made from, as far back as the raw data.

Only what belongs to the inputs is in it: no clock, no machine, no commit. The same training must be the same bytes, or
a package could not be restored from the cache, compared with another, or found again in a registry; two commits that
differ in a sentence of the README have the same package. Commit, uncommitted changes, device and the run before are on
the MLflow run.

What the stages upstream did is read from dvc.lock, which has their entries when `package` runs. It is no dependency of
the stage: what of it counts here follows from the model's card, whose key covers the inputs of the training. Of a stage
before it that ran with other code and wrote the same bytes, a package that DVC restored may have the earlier record.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import read_json
from tasks.common.stage.paths import TaskPaths

PROVENANCE_FILE = "provenance.json"
LOCK_FILE = "dvc.lock"
FORMAT_VERSION: Final = 1

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
DvcDigest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}(\.dir)?$")]
Text = Annotated[str, StringConstraints(max_length=10_000)]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class StageRecord(_Record):
    """One stage upstream, as dvc.lock has it."""

    name: Text
    command: Text
    parameters: dict[str, Any]
    """The values it read, by their full names in params.yaml."""
    inputs: dict[str, DvcDigest]
    """Digest, DVC's MD5, of each file and folder of code and data that it read."""
    outputs: dict[str, DvcDigest]
    """The same of what it wrote."""


class Provenance(_Record):
    """`packages/<task>/provenance.json`."""

    format_version: Literal[1] = FORMAT_VERSION
    task: Text
    stage: Text
    """The stage that made the package."""
    command: Text
    """Its command."""
    parameters: dict[str, Any]
    """The values that it read, by their full names in params.yaml."""
    model: dict[str, Sha256]
    """SHA-256 of each of the model's files by its name."""
    training_key: Sha256 | None
    """DVC's run-cache key of the training; None outside a DVC repository and for values set by hand."""
    scores_of: Text | None = None
    """What the scores that evaluate wrote are of, where not of this very model; None where they are its own."""
    code: dict[str, Sha256]
    """SHA-256 of each file in `code/`."""
    packages: dict[str, Text]
    """Pinned version of each Python package that the task's numbers follow from."""
    data_digest: Sha256
    """Of the manifest of the prepared data."""
    data_revision: Text | None
    """Commit or tag of the raw data, where it is a version of a DVC repository."""
    data_source: dict[str, Any]
    """What the prepared data says of where it came from, with its licence."""
    upstream: Annotated[list[StageRecord], Field(max_length=1_000)] | None
    """The stages that led to the model, the last first; None where dvc.lock has none or another model's."""


def read_provenance(folder: Path) -> Provenance:
    """What `folder`, a package, was made from. Raises TaskError where its file is missing or is no such record."""
    path = folder / PROVENANCE_FILE
    try:
        record = Provenance.model_validate(read_json(path, "package"))
        # Parameters and sources can have any values, but no NaN, which is no JSON.
        json.dumps(record.model_dump(), allow_nan=False)
    except ValueError as error:
        where = (
            ".".join(str(part) for part in error.errors()[0]["loc"]) if isinstance(error, ValidationError) else error
        )
        raise TaskError(f"{path} is not a record of where a model comes from ({where}); do not use it.") from None
    return record


def upstream_of(paths: TaskPaths, model: Path) -> list[StageRecord] | None:
    """The stages that led to `model`, a folder under the root, as dvc.lock has them, the last first.

    A stage counts only if what the next one read is what it wrote, and the model is what lies there. None without any.
    """
    entries = _lock_entries(paths.root / LOCK_FILE)
    wanted = {model.relative_to(paths.output_root).as_posix(): dvc_digest(model)}
    records: dict[str, StageRecord] = {}
    while wanted:
        following: dict[str, str] = {}
        for name, entry in entries.items():
            if name not in records and any(entry.outputs.get(path) == digest for path, digest in wanted.items()):
                records[name] = entry
                following |= entry.inputs
        wanted = following
    return list(records.values()) or None


def dvc_digest(folder: Path) -> str:
    """The digest of a folder as DVC has it: MD5 over the names and MD5s of its files."""
    entries = [
        {"md5": hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest(), "relpath": name}
        for name, path in sorted((p.relative_to(folder).as_posix(), p) for p in folder.rglob("*") if p.is_file())
    ]
    return hashlib.md5(json.dumps(entries, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + ".dir"


def _lock_entries(path: Path) -> dict[str, StageRecord]:
    """Every entry that is whole; none where there is no such file. Raises TaskError for one that is no dvc.lock."""
    from ruamel.yaml import YAML, YAMLError

    if not path.is_file():
        return {}
    try:
        with _nobody_writes(path.parent):
            text = path.read_text(encoding="utf-8")
        content = YAML(typ="safe", pure=True).load(text)
        stages = content["stages"].items()
    except (YAMLError, UnicodeDecodeError, TypeError, KeyError, AttributeError):
        raise TaskError(f"{path} is not what DVC writes; restore it from git.") from None
    records = {}
    for name, entry in stages:
        try:
            records[str(name)] = StageRecord(
                name=str(name),
                command=entry["cmd"],
                parameters={k: v for values in entry.get("params", {}).values() for k, v in values.items()},
                inputs=_digests(entry.get("deps", [])),
                outputs=_digests(entry.get("outs", [])),
            )
        except (ValidationError, TypeError, KeyError, AttributeError):
            continue  # Of another repository's kind, such as a file elsewhere, which has no MD5.
    return records


@contextmanager
def _nobody_writes(root: Path) -> Iterator[None]:
    """DVC writes dvc.lock in pieces when a stage beside this one ends, and holds its repository's lock meanwhile."""
    if not (root / ".dvc").is_dir():
        yield
        return
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        repo.lock._wait = True
        with repo.lock:
            yield


def _digests(entries: list[Mapping[str, Any]]) -> dict[str, str]:
    return {entry["path"]: entry["md5"] for entry in entries}

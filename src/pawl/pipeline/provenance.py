"""Where a result comes from: the run that made it, on what machine, from what data and with what seeds.

A run is written down in the cache, beside the result's receipt, so that whoever restores the result later from this
cache can say what it cost and where it was made. What is read there is only ever shown: it decides nothing.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from pawl.errors import InputError
from pawl.pipeline.project import Project, params_of
from pawl.pipeline.receipts import Receipt
from pawl.pipeline.remote import Remote
from pawl.report.files import write_together
from pawl.schema import Machine, Origin, Usage

if TYPE_CHECKING:
    from dvc.stage import PipelineStage

_MOST_BYTES = 1_000_000
_MOST_SEEDS = 20
_Record = TypeVar("_Record", bound=BaseModel)


def write_origin(
    project: Project, receipt: Receipt, commit: str, started_at: str, usage: Usage, machine: Machine
) -> None:
    """Write down which run earned the receipt, and on what machine; a cache that cannot be written has no record."""
    origin = Origin(
        commit=commit,
        started_at=started_at,
        device=machine.device,
        environment_digest=machine.environment_digest,
        usage=usage,
    )
    places = {_origin_path(project, receipt): origin, _machine_path(project, origin.environment_digest): machine}
    with suppress(InputError, OSError):
        write_together({path: record.model_dump_json().encode() for path, record in places.items()})


def origin_of(project: Project, receipt: Receipt | None) -> Origin | None:
    """The run that earned the receipt; None where none is on record, or the record is not what it should be."""
    return _read(_origin_path(project, receipt), Origin) if receipt and receipt.key else None


def machine_of(project: Project, receipt: Receipt | None) -> Machine | None:
    """The machine that the receipt was earned on, with its packages; None where that is not on record."""
    origin = origin_of(project, receipt)
    machine = origin and _read(_machine_path(project, origin.environment_digest), Machine)
    if not origin or not machine or machine.environment_digest != origin.environment_digest:
        return None
    # Machines with the same software share a record.
    return machine.model_copy(update={"device": origin.device})


def send_records(project: Project, remote: Remote, receipt: Receipt) -> None:
    """Put the record of the run that earned the receipt beside it on the remote, where there is one."""
    origin = origin_of(project, receipt)
    if origin is None:
        return
    for path in (_machine_path(project, origin.environment_digest), _origin_path(project, receipt)):
        if path.exists():
            remote.send(path, "pawl", *path.relative_to(_records(project)).parts)


def fetch_records(project: Project, remote: Remote, receipt: Receipt) -> None:
    """Bring that record here from the remote."""
    path = _origin_path(project, receipt)
    remote.fetch(path, "pawl", *path.relative_to(_records(project)).parts)
    origin = origin_of(project, receipt)
    if origin is not None:
        path = _machine_path(project, origin.environment_digest)
        remote.fetch(path, "pawl", *path.relative_to(_records(project)).parts)


def data_digest(project: Project, stage: PipelineStage) -> str | None:
    """SHA-256 over the hashes of what `stage` reads and DVC tracks: data and other stages' results.

    None where it reads no such thing, or a hash is not known yet.
    """
    import hashlib

    hashes = {
        project.relative(dep.fs_path): dep.hash_info.value
        for dep in stage.deps
        if next(project.sources_of(dep), None) is not None
    }
    if not hashes or not all(hashes.values()):
        return None
    return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()


def seeds_of(stage: PipelineStage) -> dict[str, str]:
    """The parameters of `stage` whose last word is a seed's, as `file:key` -> value in JSON."""
    found = {
        f"{path}:{key}"[:2_000]: json.dumps(value, default=str)[:200]
        for (path, key), value in params_of(stage).items()
        if any(word in key.rpartition(".")[2].lower() for word in ("seed", "random_state"))
    }
    return dict(sorted(found.items())[:_MOST_SEEDS])


def _read(path: Path, model: type[_Record]) -> _Record | None:
    try:
        if path.stat().st_size > _MOST_BYTES:
            return None
        return model.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _records(project: Project) -> Path:
    return Path(project.repo.cache.local_cache_dir, "pawl")


def _origin_path(project: Project, receipt: Receipt) -> Path:
    return _records(project) / "origins" / receipt.key[:2] / receipt.key / f"{receipt.value}.json"


def _machine_path(project: Project, environment_digest: str) -> Path:
    return _records(project) / "machines" / f"{environment_digest}.json"

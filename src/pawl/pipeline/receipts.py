"""Receipts: proof that a stage with exactly these inputs once produced exactly these outputs.

A receipt is an entry of DVC's run-cache. An entry of `dvc.lock` without one counts for nothing, because a clean git
merge can put together a lock that no run ever wrote.
"""

from __future__ import annotations

from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawl.pipeline.project import Project
from pawl.pipeline.remote import Remote

if TYPE_CHECKING:
    from dvc.stage import PipelineStage


@dataclass(frozen=True)
class Receipt:
    """One run-cache entry whose digests hold: `value` names the outputs, `key` the inputs."""

    key: str
    value: str
    entry: dict[str, Any]


def outs_of(entry: dict[str, Any]) -> dict[str, str]:
    """Path -> digest of the outputs in a receipt's or dvc.lock's entry."""
    return {out["path"]: out.get("md5", "") for out in entry.get("outs", [])}


def find(project: Project, stage: PipelineStage, key: str, remote: Remote) -> Receipt | None:
    """The receipt for `key` whose outputs can be had, or None.

    Of several (a stage that is not deterministic) the one that `dvc.lock` names, else the one with the smallest digest,
    so that both sides of a comparison pick the same.
    """
    receipts = _local(project, key)
    if not receipts:
        remote.fetch_receipts(key)
        receipts = _local(project, key)
    locked = {out.def_path: out.hash_info.value for out in stage.outs if out.hash_info}
    receipts.sort(key=lambda receipt: (outs_of(receipt.entry) != locked, receipt.value))
    return next((receipt for receipt in receipts if _available(project, stage, receipt, remote)), None)


def apply(project: Project, stage: PipelineStage, receipt: Receipt) -> None:
    """Give the stage's outputs the hashes of the receipt, and count them as known."""
    from dvc.stage.loader import StageLoader

    StageLoader.fill_from_lock(stage, receipt.entry)
    stage.cmd_changed = False
    for out in stage.outs:
        out.obj = None
        project.known[out.fs_path] = out


def fetch_outputs(project: Project, stage: PipelineStage, receipt: Receipt, remote: Remote) -> bool:
    """Bring the outputs into the local cache; whether they all are there now."""
    copy = _stage_from(project, stage, receipt)
    if copy.outs_cached():
        return True
    remote.pull({out.hash_info for out in copy.outs})
    if not all(_listing_is_local(out) for out in copy.outs):
        return False
    remote.pull(copy.get_used_objs().get(None, set()))
    return bool(copy.outs_cached())


def objects_of(project: Project, stage: PipelineStage, receipt: Receipt) -> set[Any]:
    """The objects that the outputs are made of, which must be in the local cache."""
    found: set[Any] = _stage_from(project, stage, receipt).get_used_objs().get(None, set())
    return found


def check_out(project: Project, stage: PipelineStage, receipt: Receipt) -> None:
    """Put the outputs, which must be in the cache, into the workspace in place of whatever lies there."""
    with project.repo.lock:
        _stage_from(project, stage, receipt).checkout(force=True)


def local_outputs(project: Project, stage: PipelineStage, receipt: Receipt) -> bool:
    """Whether all outputs are in the local cache."""
    return bool(_stage_from(project, stage, receipt).outs_cached())


def of_stage(project: Project, stage: PipelineStage, key: str) -> Receipt | None:
    """The receipt that a stage just earned by running."""
    outs = {out.def_path: out.hash_info.value for out in stage.outs}
    return next((receipt for receipt in _local(project, key) if outs_of(receipt.entry) == outs), None)


def of_value(project: Project, key: str, value: str) -> Receipt | None:
    """The receipt of that name on this machine."""
    return next((receipt for receipt in _local(project, key) if receipt.value == value), None)


def _local(project: Project, key: str) -> list[Receipt]:
    """The entries under `key` that hold: one that is damaged, renamed or no run-cache entry is passed over."""
    folder = Path(project.repo.stage_cache._get_cache_dir(key))
    found = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        entry = None if path.name.startswith(".") else _entry(project, key, path)
        if entry is not None:
            found.append(Receipt(key, path.name, entry))
    return found


def _entry(project: Project, key: str, path: Path) -> dict[str, Any] | None:
    """The content of a run-cache file if it has the digests that its names promise.

    Read by the fast parser first, and by DVC's, which reads some numbers otherwise, where the digests do not hold.
    """
    import yaml
    from dvc.schema import COMPILED_LOCK_FILE_STAGE_SCHEMA
    from dvc.stage.cache import _get_cache_hash
    from voluptuous import Invalid

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    def fast() -> Any:
        return COMPILED_LOCK_FILE_STAGE_SCHEMA(yaml.load(path.read_bytes(), loader))  # noqa: S506 - either is safe

    for read in (fast, lambda: project.repo.stage_cache._load_cache(key, path.name)):
        try:
            entry = read()
            if entry and _get_cache_hash(dict(entry)) == path.name and _get_cache_hash(dict(entry), key=True) == key:
                return dict(entry)
        except (OSError, ValueError, TypeError, KeyError, AttributeError, Invalid, yaml.YAMLError):
            continue
    return None


def _available(project: Project, stage: PipelineStage, receipt: Receipt, remote: Remote) -> bool:
    copy = _stage_from(project, stage, receipt)
    return bool(copy.outs_cached()) or remote.has({out.hash_info for out in copy.outs})


def _listing_is_local(out: Any) -> bool:
    """A directory's listing must be local before DVC may be asked for what it lists, or DVC asks the terminal."""
    return not out.hash_info.isdir or out.cache.exists(out.hash_info.value)


def _stage_from(project: Project, stage: PipelineStage, receipt: Receipt) -> PipelineStage:
    """A stage of DVC's that stands for the receipt alone; outputs kept in git are handled through the cache too."""
    with chdir(project.root):  # DVC makes it at "dvc.yaml" of the current directory
        return project.repo.stage_cache._create_stage(receipt.entry, wdir=stage.wdir)

"""What a run holds of a stage's result once that is there: metrics, digests, files, and that it is complete."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from pawl.compare.files import measured, read_metrics
from pawl.compare.results import SideFiles
from pawl.config import Config
from pawl.pipeline.project import Project
from pawl.schema import StageResult
from pawl.tracking import names
from pawl.tracking.events import MAX_POINTS, Artifact, Begun, Complete, Event, Point, Points, Tags
from pawl.tracking.lineage import outputs_digest
from pawl.tracking.live import milliseconds
from pawl.tracking.spool import Spool, digest_of, events_of

if TYPE_CHECKING:
    from dvc.stage import PipelineStage

_PICTURES = "image/"
_MOST_FILES = 200
Kept = tuple[tuple[Path, str], ...]
"""Files that belong together, and their paths among the artifacts."""


def result_events(
    config: Config,
    spool: Spool,
    run: str,
    files: SideFiles,
    result: StageResult,
    begun: Sequence[Event],
    record: bytes,
    kept: Iterable[Kept],
) -> Iterator[Event]:
    """The events of one result: first `begun`, which are those of a run that nobody followed, and empty otherwise.

    `record` is its `provenance.json`; `kept` is what goes among the artifacts beside it.
    """
    now = milliseconds()
    stage = files.project.stage(result.name)
    assert stage is not None
    known = [event for event in events_of(spool.folder) if isinstance(event, Begun)]
    yield from begun
    points: list[Point] = [(name, value, 0, now) for name, value in _numbers(files, stage)]
    if result.seconds is not None and result.outcome == "trained":
        points.append(("pawl.seconds", result.seconds, 0, now))
    for start in range(0, len(points), MAX_POINTS):
        yield Points(run=run, points=tuple(points[start : start + MAX_POINTS]))
    outputs = outputs_digest(files.project, stage)
    tags = {names.OUTCOME_TAG: result.outcome} | ({names.OUTPUTS_TAG: outputs} if outputs else {})
    yield Tags(run=run, values=tags)
    file = spool.put_file(f"{run}.provenance.json", record)
    yield from artifacts(config, spool, run, [*([((file, "provenance.json"),)] if file else []), *kept])
    for event in (*known, *begun):
        if isinstance(event, Begun) and run in (event.parent, event.run) and event.key is not None:
            yield Complete(run=event.run, key=event.key, forced=event.forced)


def worth_keeping(config: Config, project: Project, stage: PipelineStage) -> Iterator[Kept]:
    """Metrics, plots, predictions, pictures and model packages that the stage wrote.

    A package is `model`, so that MLflow loads `runs:/ID/model`; where a stage has several, `model/` and its path each.
    """
    outs = [out for out in stage.outs if out.protocol == "local"]
    models = {out.fs_path for out in outs if Path(out.fs_path, "MLmodel").is_file()}
    for out in outs:
        path, place = project.relative(out.fs_path), Path(out.fs_path)
        if out.is_metric or out.is_plot:
            yield from _files(place, f"{'metrics' if out.is_metric else 'plots'}/{path}")
        elif any(fnmatch(path, pattern) for pattern in config.predictions):
            yield from _files(place, f"predictions/{path}")
        elif out.fs_path in models:
            whole = _files(place, "model" if len(models) == 1 else f"model/{path}")
            yield tuple(file for kept in whole for file in kept)
        else:
            for kept in _files(place, f"pictures/{path}"):
                if (mimetypes.guess_type(kept[0][0].name)[0] or "").startswith(_PICTURES):
                    yield kept


def _files(place: Path, to: str) -> Iterator[Kept]:
    """A file, or each of a folder's, with its path among the artifacts."""
    if not place.is_dir():
        yield ((place, to),)
        return
    for file in sorted(file for file in place.rglob("*") if file.is_file()):
        yield ((file, f"{to}/{file.relative_to(place).as_posix()}"),)


def artifacts(config: Config, spool: Spool, run: str, wanted: Iterable[Kept]) -> Iterator[Artifact]:
    """The files, while the run's share of `tracking.artifacts_megabytes` lasts; those that need each other, or none."""
    left = config.tracking.artifacts_megabytes * 1_000_000
    files = 0
    for kept in wanted:
        with suppress(OSError, ValidationError):
            size = sum(file.stat().st_size for file, _ in kept)
            if size <= left and files + len(kept) <= _MOST_FILES:
                yield from [_artifact(spool, run, file, to) for file, to in kept]
                left -= size
                files += len(kept)


def _artifact(spool: Spool, run: str, file: Path, to: str) -> Artifact:
    place = file.absolute()
    inner = place.relative_to(spool.folder) if place.is_relative_to(spool.folder) else place
    return Artifact(run=run, path=str(inner), sha256=digest_of(file), to=to)


def _numbers(files: SideFiles, stage: PipelineStage) -> Iterator[tuple[str, float]]:
    """(name, value) of each metric that the stage wrote."""
    for out in stage.outs:
        path = files.project.relative(out.fs_path)
        place, _ = files.locate(path) if out.is_metric else (None, "missing")
        for key, leaf in read_metrics(place, path).items() if place else ():
            value = measured(leaf).value
            if value is not None:
                yield names.allowed_name(key), value

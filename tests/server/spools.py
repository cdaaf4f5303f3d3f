"""Spools as trainings leave them, and a count at the server of what came of each: everything, and once."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

from pawl.tracking.events import Artifact, Begun, Closed, Complete, Ended, Event, Points, Tags
from pawl.tracking.spool import Spool, digest_of

POINTS = 1_000
_AT_ONCE = 100


def begin(folder: Path, experiment: str) -> tuple[Spool, int]:
    """The spool in `folder`, with a parent and a stage that have begun; and when they did, in milliseconds."""
    begun, name = int(time.time() * 1_000), folder.name
    common: dict[str, Any] = {"name": name, "experiment": experiment, "at_ms": begun}
    spool = Spool(folder)
    spool.add(
        Begun(run=f"parent-{name}", kind="parent", **common),
        Begun(run=f"stage-{name}", kind="stage", parent=f"parent-{name}", key=f"key-{name}", **common),
    )
    return spool, begun


def points_of(folder: Path, begun_ms: int, start: int = 0, count: int = POINTS) -> list[Event]:
    """The points of steps `start` to `start` + `count` - 1."""
    points = [("loss", _loss(step), step, begun_ms + step) for step in range(start, start + count)]
    run = f"stage-{folder.name}"
    return [Points(run=run, points=tuple(points[at : at + _AT_ONCE])) for at in range(0, count, _AT_ONCE)]


def artifact_of(spool: Spool, content: bytes) -> Event:
    """A file of the stage's, kept in the spool."""
    file = spool.put_file("weights.bin", content)
    assert file is not None
    to = "models/weights.bin"
    return Artifact(run=f"stage-{spool.folder.name}", path="files/weights.bin", sha256=digest_of(file), to=to)


def finish(spool: Spool, begun_ms: int) -> None:
    """The stage and its parent have ended, and nobody writes the spool any more."""
    name = spool.folder.name
    spool.add(
        Ended(run=f"stage-{name}", status="FINISHED", at_ms=begun_ms + POINTS),
        Complete(run=f"stage-{name}", key=f"key-{name}"),
        Tags(run=f"parent-{name}", values={"pawl.verdict": "better"}),
        Ended(run=f"parent-{name}", status="FINISHED", at_ms=begun_ms + POINTS),
        Closed(),
    )
    spool.close()


def write_spool(folder: Path, experiment: str, content: bytes) -> None:
    """A training of 1,000 points and one file that has ended."""
    spool, begun = begin(folder, experiment)
    spool.add(*points_of(folder, begun), artifact_of(spool, content))
    finish(spool, begun)


def points_at(client: Any, experiment: str, name: str) -> list[tuple[int, float]]:
    """Steps and values that the server has of a stage; of all of its runs, so that a second run would show."""
    found = client.get_experiment_by_name(experiment)
    runs = client.search_runs([found.experiment_id], f"tags.`pawl.run` = 'stage-{name}'")
    return sorted((p.step, p.value) for run in runs for p in client.get_metric_history(run.info.run_id, "loss"))


def check_delivered(client: Any, experiment: str, name: str, content: bytes, folder: Path) -> None:
    """One parent and one complete stage of that name, each point once, and the file as it was; `folder` is for it."""
    found = client.get_experiment_by_name(experiment)
    runs = list(client.search_runs([found.experiment_id], f"attributes.run_name = '{name}'"))
    kinds = Counter((run.data.tags["pawl.kind"], run.info.status) for run in runs)
    assert kinds == {("parent", "FINISHED"): 1, ("stage", "FINISHED"): 1}, kinds
    tags = {run.data.tags["pawl.kind"]: run.data.tags for run in runs}
    ids = {run.data.tags["pawl.kind"]: run.info.run_id for run in runs}
    assert tags["stage"]["mlflow.parentRunId"] == ids["parent"]
    assert tags["stage"]["pawl.stage_key"] == f"key-{name}"
    assert tags["parent"]["pawl.verdict"] == "better"
    assert points_at(client, experiment, name) == [(step, _loss(step)) for step in range(POINTS)]
    assert [file.path for file in client.list_artifacts(ids["stage"])] == ["models"]
    assert [file.path for file in client.list_artifacts(ids["stage"], "models")] == ["models/weights.bin"]
    folder.mkdir(parents=True, exist_ok=True)
    got = Path(client.download_artifacts(ids["stage"], "models/weights.bin", str(folder)))
    assert got.read_bytes() == content


def _loss(step: int) -> float:
    return 1 / (1 + step)

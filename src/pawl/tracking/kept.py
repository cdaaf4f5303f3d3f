"""What a server has of a run's points; what it has said yes to is no proof."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pawl.tracking.events import Points
from pawl.tracking.spool import events_of

if TYPE_CHECKING:
    from mlflow import MlflowClient


class NotKeptError(Exception):
    """The server said yes to what it does not have."""


def known_points(client: MlflowClient, run_id: str) -> set[tuple[str, int, float]]:
    """(name, step, value) of each point that a run has, without the system's."""
    return {
        (name, point.step, point.value)
        for name in client.get_run(run_id).data.metrics
        if not name.startswith("system/")
        for point in client.get_metric_history(run_id, name)
    }


def check_kept(client: MlflowClient, run_id: str, spool: Path, run: str) -> str:
    """The id of the run's experiment, if each point that the spool holds of it can be read there.

    Raises NotKeptError where one cannot.
    """
    wanted: dict[str, set[tuple[int, float]]] = {}
    for event in events_of(spool):
        if isinstance(event, Points) and event.run == run:
            for name, value, step, _ in event.points:
                wanted.setdefault(name, set()).add((step, value))
    found = client.get_run(run_id)
    for name, points in wanted.items():
        if len(points) == 1 and {value for _, value in points} == {found.data.metrics.get(name)}:
            continue  # the last of one is all of them
        kept = {(point.step, point.value) for point in client.get_metric_history(run_id, name)}
        if not points <= kept:
            raise NotKeptError(f"{len(points - kept)} points of {name} that it took are not there")
    return str(found.info.experiment_id)

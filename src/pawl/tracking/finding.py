"""What an MLflow server has already, by the tags that say what a run holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pawl.tracking import names

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_PAGE = 1_000
# Of MLflow's, which are not cured by asking again.
_FINAL = ("PERMISSION_DENIED", "UNAUTHENTICATED", "FEATURE_DISABLED", "ENDPOINT_NOT_FOUND")
_NOT_FOR_US = ("PERMISSION_DENIED", "UNAUTHENTICATED", "RESOURCE_DOES_NOT_EXIST")


class RefusedError(Exception):
    """The server is there and will not have it; only a person can change that."""


def is_final(error: Exception) -> bool:
    """Whether asking again is no use."""
    return getattr(error, "error_code", "") in _FINAL


def experiment_named(client: MlflowClient, name: str) -> str | None:
    """The experiment's id, None where there is none. Raises RefusedError for one that is deleted."""
    found = client.get_experiment_by_name(name)
    if found is not None and found.lifecycle_stage != "active":
        raise RefusedError(f'the experiment "{name}" is deleted there: restore it, or name another in pawl.yaml')
    return None if found is None else str(found.experiment_id)


def make_experiment(client: MlflowClient, name: str, uri: str) -> str:
    """The id of the experiment of that name, made where there is none. Raises RefusedError for one that is deleted."""
    from mlflow.exceptions import MlflowException

    found = experiment_named(client, name)
    if found is None:
        try:
            found = str(client.create_experiment(name, artifact_location=_local_artifacts(uri)))
        except MlflowException:
            found = experiment_named(client, name)  # somebody else was quicker
            if found is None:
                raise
    return found


def readable_experiment(client: MlflowClient, name: str) -> str | None:
    """Likewise for one that is only read, and need not be readable."""
    from mlflow.exceptions import MlflowException

    try:
        return experiment_named(client, name)
    except RefusedError:
        return None
    except MlflowException as error:
        if error.error_code in _NOT_FOR_US:
            return None
        raise


def runs_with(
    client: MlflowClient, experiments: Sequence[str], tags: Mapping[str, str], order: str = "ASC", most: int = _PAGE
) -> list[Run]:
    """The runs that have these tags, the oldest first, or with DESC the newest."""
    query = " and ".join(f"tags.`{name}` = {_quoted(value)}" for name, value in tags.items())
    order_by = [f"attributes.start_time {order}"]
    return list(client.search_runs(list(experiments), query, max_results=most, order_by=order_by))


def complete(same: Sequence[Run]) -> Run | None:
    """The first of the runs of one result that holds all of it."""
    return next((run for run in same if run.info.status == "FINISHED" and names.KEY_TAG in run.data.tags), None)


def broken_off(same: Sequence[Run]) -> Run | None:
    """The newest of the runs of one result that ended before it was complete."""
    ended = [run for run in same if run.info.status != "RUNNING" and names.KEY_TAG not in run.data.tags]
    return ended[-1] if ended else None


def archive(client: MlflowClient, experiment: str, before_ms: int, today: str) -> int:
    """Tag the runs that ended before then as archived; how many they are. None is ever deleted."""
    query = f"attributes.end_time < {before_ms} and tags.`{names.ARCHIVED_TAG}` IS NULL"
    old: list[Run] = list(client.search_runs([experiment], query, max_results=_PAGE))
    for run in old:
        client.set_tag(run.info.run_id, names.ARCHIVED_TAG, today)
    return len(old)


def _local_artifacts(uri: str) -> str | None:
    """Beside a SQLite file; MLflow itself would make a folder wherever it happens to be started."""
    path = uri.removeprefix("sqlite:///")
    return str(Path(path).parent / "mlflow-artifacts") if path != uri and path else None


def _quoted(value: str) -> str:
    """A value in a filter of MLflow's, which knows no escapes."""
    return f'"{value.replace(chr(34), "")}"' if "'" in value else f"'{value}'"

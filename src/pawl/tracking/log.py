"""One MLflow run for each stage key: made when a result is new, linked when it is known. Never part of a training.

A run is found again by its tag, so a stage restored on any machine leads to the run of the training that made it.
"""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from pawl.compare.files import columns_of, confusion_columns, measured, read_curves, read_metrics, step_column
from pawl.compare.results import SideFiles, curve_name, tables_of
from pawl.git import git, toplevel
from pawl.pipeline.checkout import state_folder
from pawl.pipeline.project import Project, one_line, params_of
from pawl.schema import Comparison, StageResult, Stages, TrackedRun, Tracking
from pawl.session import Session
from pawl.waiting import patience_seconds, request_seconds, within

if TYPE_CHECKING:
    from mlflow import MlflowClient

Say = Callable[[str], None]
KEY_TAG = "pawl.stage_key"
BEGUN_TAG = "pawl.begun"
_BATCH = 1_000
_MAX_PARAM_CHARACTERS = 6_000
# MLflow's own patience is minutes for every call; a result is not worth that, and can be logged later.
_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


def track(session: Session, stages: Stages, comparison: Comparison, say: Say) -> Tracking:
    """Log every stage with results of this run that has a key and wrote metrics or a history.

    The server is MLFLOW_TRACKING_URI, else `tracking.uri` of pawl.yaml, else a SQLite file in `.pawl/`. Returns what
    was created and what was linked; "failed", with the reason, where the server could not be used.
    """
    settings = session.config.tracking
    if not settings.enabled:
        return Tracking(status="off", reason="tracking.enabled is false in pawl.yaml")
    worth = list(_worth_logging(session, stages))
    uri = os.environ.get("MLFLOW_TRACKING_URI") or settings.uri or _local_uri(session)
    shown, name = _without_secrets(uri), settings.experiment or _repository_name(session)
    if not worth:
        return Tracking(status="logged", uri=shown, experiment=name, reason="nothing was trained or restored")
    for variable, value in _DEFAULTS.items():
        os.environ.setdefault(variable, value)
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(math.ceil(min(15.0, request_seconds()))))

    def log_all() -> list[TrackedRun]:
        client, experiment = _connect(uri, name)
        return [
            _log_or_link(client, experiment, uri, session, files, result, comparison, stages) for files, result in worth
        ]

    try:
        import mlflow  # noqa: F401 - it takes seconds, which are not the server's

        runs = within(patience_seconds(), log_all)
    except Exception as error:
        reason = _without_secrets(one_line(error)).replace(uri, shown)[:500]
        say(f"tracking: MLflow at {shown} could not be used ({reason}); results are unaffected, `pawl track` retries")
        return Tracking(status="failed", uri=shown, experiment=name, reason=reason)
    made = sum(run.status == "created" for run in runs)
    say(f"tracking: {made} runs created and {len(runs) - made} linked in {shown}, experiment {name}")
    return Tracking(status="logged", uri=shown, experiment=name, runs=tuple(runs))


def _worth_logging(session: Session, stages: Stages) -> Iterator[tuple[SideFiles, StageResult]]:
    """(files of the side, stage result) for each result that a run can show."""
    head = SideFiles(session.head, {s.name: s for s in stages.stages if s.side == "head"})
    sides = {"head": head}
    if session.base is not None:
        sides["base"] = SideFiles(session.base, {s.name: s for s in stages.stages if s.side == "base"}, head)
    seen = set()
    for result in stages.stages:
        if result.outcome not in ("trained", "restored") or not result.stage_key or result.stage_key in seen:
            continue
        stage = sides[result.side].project.stage(result.name)
        if stage is not None and any(out.is_metric or out.is_plot for out in stage.outs):
            seen.add(result.stage_key)
            yield sides[result.side], result


def _connect(uri: str, name: str) -> tuple[MlflowClient, str]:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(name)
    if experiment is not None:
        if experiment.lifecycle_stage != "active":
            raise RuntimeError(f'the experiment "{name}" is deleted there: restore it, or name another in pawl.yaml')
        return client, str(experiment.experiment_id)
    try:
        return client, str(client.create_experiment(name))
    except MlflowException:
        made = client.get_experiment_by_name(name)  # somebody else was quicker
        if made is None:
            raise
        return client, str(made.experiment_id)


def _log_or_link(
    client: MlflowClient,
    experiment: str,
    uri: str,
    session: Session,
    files: SideFiles,
    result: StageResult,
    comparison: Comparison,
    stages: Stages,
) -> TrackedRun:
    assert result.stage_key is not None
    query = f"tags.`{KEY_TAG}` = '{result.stage_key}' and attributes.status = 'FINISHED'"
    found = client.search_runs([experiment], query, max_results=1, order_by=["attributes.start_time ASC"])
    if found:
        run_id, status = found[0].info.run_id, "linked"
    else:
        run_id, status = _create(client, experiment, session, files, result, comparison, stages), "created"
    web = uri.rstrip("/") if uri.startswith(("http://", "https://")) else ""
    return TrackedRun(
        stage=result.name,
        side=result.side,
        stage_key=result.stage_key,
        run_id=run_id,
        url=f"{_without_secrets(web)}/#/experiments/{experiment}/runs/{run_id}" if web else None,
        status=status,  # type: ignore[arg-type]
    )


def _create(
    client: MlflowClient,
    experiment: str,
    session: Session,
    files: SideFiles,
    result: StageResult,
    comparison: Comparison,
    stages: Stages,
) -> str:
    from mlflow.entities import Metric, Param, RunTag

    revision = session.head_revision if result.side == "head" else session.base_revision
    now = int(time.time() * 1_000)
    tags = {
        KEY_TAG: result.stage_key or "",
        "pawl.stage": result.name,
        "pawl.side": result.side,
        "pawl.outcome": result.outcome,
        "pawl.verdict": comparison.verdict if result.side == "head" else "",
        "pawl.environment": stages.machine.environment_digest,
        "pawl.device": stages.machine.device if result.outcome == "trained" else "",
        "mlflow.source.git.commit": (comparison.started_from if result.side == "head" else None) or revision.commit,
        "mlflow.source.name": _repository_name(session),
    }
    name = f"{result.name} {revision.commit[:10]}"
    run = client.create_run(experiment, start_time=now, run_name=name, tags={BEGUN_TAG: tags[KEY_TAG]})
    run_id: str = run.info.run_id
    status = "FAILED"
    try:
        stage = files.project.stage(result.name)
        assert stage is not None
        files.params()
        params = [
            Param(_allowed(f"{key}"), str(value)[:_MAX_PARAM_CHARACTERS])
            for (_, key), value in params_of(stage).items()
        ]
        kept = [RunTag(key, value) for key, value in tags.items() if value and key != KEY_TAG]
        metrics = [Metric(_allowed(name), value, now, step) for name, value, step in _numbers(files, stage)]
        if result.seconds is not None and result.outcome == "trained":
            metrics.append(Metric("pawl.seconds", result.seconds, now, 0))
        client.log_batch(run_id, params=params[:100], tags=kept)
        for start in range(100, len(params), 100):
            client.log_batch(run_id, params=params[start : start + 100])
        for start in range(0, len(metrics), _BATCH):
            client.log_batch(run_id, metrics=metrics[start : start + _BATCH])
        # The tag by which the run is found comes last: a run that broke off half-way is never linked.
        client.set_tag(run_id, KEY_TAG, tags[KEY_TAG])
        status = "FINISHED"
    finally:
        client.set_terminated(run_id, status=status)
    _end_others(client, experiment, tags[KEY_TAG])
    return run_id


def _end_others(client: MlflowClient, experiment: str, key: str) -> None:
    """Mark what a killed job left of the same result, which would be running for ever."""
    query = f"tags.`{BEGUN_TAG}` = '{key}' and attributes.status = 'RUNNING'"
    for other in client.search_runs([experiment], query, max_results=100):
        client.set_terminated(other.info.run_id, status="KILLED")


def _numbers(files: SideFiles, stage: Any) -> Iterator[tuple[str, float, int]]:
    """(name, value, step) of each metric and each point of each history that the stage wrote."""
    project: Project = files.project
    for out in stage.outs:
        path = project.relative(out.fs_path)
        place, _ = files.locate(path)
        if place is None:
            continue
        if out.is_metric:
            for key, leaf in read_metrics(place, path).items():
                value = measured(leaf).value
                if value is not None:
                    yield key, value, 0
        elif out.is_plot:
            for inner, file in tables_of(path, place):
                columns = columns_of(file)
                step = step_column(columns, files.step_of(path)) if not confusion_columns(columns) else None
                for column, series in read_curves(file, step).items() if step else ():
                    for at, value in zip(series.steps, series.values, strict=True):
                        yield curve_name(inner, column)[1], value, int(at) if math.isfinite(at) else 0


def _local_uri(session: Session) -> str:
    return f"sqlite:///{state_folder(toplevel(session.root)) / 'mlflow.db'}"


def _repository_name(session: Session) -> str:
    """owner/name as the workflow says it, else the last part of origin's address, else the folder's name."""
    if os.environ.get("GITHUB_REPOSITORY"):
        return os.environ["GITHUB_REPOSITORY"][:200]
    origin = git(session.root, "remote", "get-url", "origin", check=False).rstrip("/").removesuffix(".git")
    return (re.split(r"[/:]", origin)[-1] if origin else "") or session.root.name


def _without_secrets(uri: str) -> str:
    """An address without the user name and password it may carry."""
    if "://" not in uri:
        return uri[:500]
    parts = urlsplit(uri)
    if not parts.netloc:
        return uri[:500]
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))[:500]


def _allowed(name: str) -> str:
    """A name that MLflow takes."""
    return re.sub(r"[^\w\-. :/]", "_", name)[:250] or "_"

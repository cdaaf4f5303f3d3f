"""What an MLflow run keeps of the stages: each epoch's measures, the results, and the model, ready to be served.

Everything is logged after the stage that made it, so that a slow server never holds up a training.
"""

from __future__ import annotations

import csv
import os
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tasks.common.data.report import read_source
from tasks.common.packaging.build import STAGE as PACKAGE
from tasks.common.packaging.build import package_folder
from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import read_json
from tasks.common.stage.params import PARAMS_FILE
from tasks.common.stage.paths import TaskPaths
from tasks.common.stage.progress import say

if TYPE_CHECKING:
    from mlflow import ActiveRun

MODEL_NAME = "model"
# MLflow's own patience is minutes for every call.
_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


class Record:
    """The MLflow run that `mlflow run` started, or else a new one, as a context manager."""

    def __init__(self) -> None:
        for variable, value in _DEFAULTS.items():
            os.environ.setdefault(variable, value)
        self._run: ActiveRun | None = None

    def __enter__(self) -> Record:
        import mlflow
        from mlflow.exceptions import MlflowException

        try:
            self._run = mlflow.start_run()
        except MlflowException as error:
            sentence = (str(error).splitlines() or [""])[0].rstrip(".")
            raise TaskError(f"MLflow cannot be used ({sentence}); see to MLFLOW_TRACKING_URI.") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        import mlflow

        mlflow.end_run("FAILED" if kind else "FINISHED")

    def params(self, paths: TaskPaths) -> None:
        """Log params.yaml, whole: MLflow's own table has the parameters of MLproject alone."""
        import mlflow

        mlflow.log_artifact(str(paths.root / PARAMS_FILE))

    def stage(self, stage: str, paths: TaskPaths) -> None:
        """Log what the stage made."""
        log = _LOGS.get(stage)
        if log:
            log(paths)


def _log_data(paths: TaskPaths) -> None:
    import mlflow

    source = read_source(paths.prepared)
    tags = {f"data.{name}": str(source[name]) for name in ("name", "rev", "commit", "synthetic") if name in source}
    mlflow.set_tags(tags)
    mlflow.log_artifact(str(paths.prepared / "data_report.json"))


def _log_training(paths: TaskPaths) -> None:
    import mlflow
    from mlflow.entities import Metric

    metrics: list[Metric] = []
    now_ms = time.time_ns() // 1_000_000
    for file in sorted((paths.history / "plots" / "metrics").rglob("*.tsv")):
        name = file.relative_to(paths.history / "plots" / "metrics").with_suffix("").as_posix()
        with file.open(encoding="utf-8", newline="") as stream:
            rows = csv.DictReader(stream, delimiter="\t")
            metrics += [Metric(name, float(row[file.stem]), now_ms, int(row["step"])) for row in rows]
    client, run_id = mlflow.MlflowClient(), _run_id()
    for start in range(0, len(metrics), 1000):
        client.log_batch(run_id, metrics[start : start + 1000])
    say(f"the run {run_id} has {len(metrics)} measures")


def _log_package(paths: TaskPaths) -> None:
    """The package as it is, so that `mlflow models serve -m runs:/<run>/model` answers with grades."""
    import mlflow

    mlflow.log_artifacts(str(package_folder(paths)), MODEL_NAME)
    say(f"the run {_run_id()} has the model")


def _log_results(paths: TaskPaths) -> None:
    import mlflow

    results = read_json(paths.metrics, "evaluate")
    mlflow.log_metrics({f"test/{name}": float(value) for name, value in results.items()})
    for path in (paths.metrics, paths.confusion, paths.predictions):
        mlflow.log_artifact(str(path), "results")
    mlflow.log_artifacts(str(paths.pictures), "results/pictures")


def _run_id() -> str:
    import mlflow

    run: Any = mlflow.active_run()
    return str(run.info.run_id)


_LOGS = {"prepare": _log_data, "train": _log_training, PACKAGE: _log_package, "evaluate": _log_results}

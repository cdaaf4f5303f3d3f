"""From what a person calls a model to the folder of its package, downloaded where MLflow has it."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tasks.common.packaging.mlmodel import MLMODEL_FILE
from tasks.common.stage.errors import TaskError

_URI_PREFIXES = ("models:/", "runs:/")
# As MLflow allows aliases to be, without those that look like a version or a file.
_ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,254}")
# MLflow's own patience is minutes for every call.
_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
# What MLflow's client adds to a download of a registered model; no part of the package.
_ADDED_BY_MLFLOW = "registered_model_meta"


@dataclass(frozen=True)
class Location:
    """Where a package is."""

    folder: Path | None
    """On this machine."""
    uri: str | None
    """In MLflow, such as `models:/pawl-digits@champion`."""


def locate(model: str, registered_name: str) -> Location:
    """A folder for what looks like a path, an address of MLflow for what is one, or the alias of the registered model.

    A word without a slash or a dot is an alias, whatever folders there are. Raises TaskError for anything else.
    """
    if model.startswith(_URI_PREFIXES):
        return Location(None, model)
    if _ALIAS.fullmatch(model):
        return Location(None, f"models:/{registered_name}@{model}")
    folder = Path(model)
    if not (folder / MLMODEL_FILE).is_file():
        raise TaskError(
            f"{model} has no file {MLMODEL_FILE}; name a package's folder, an alias such as champion, or "
            "models:/NAME@ALIAS."
        )
    return Location(folder, None)


def fetch(uri: str, target: Path) -> Path:
    """The package at an address of MLflow, by the server in MLFLOW_TRACKING_URI, downloaded to `target`; its folder.

    Raises TaskError where there is no server, no such model, or no package.
    """
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        raise TaskError(f"{uri}: set MLFLOW_TRACKING_URI to the address of the MLflow server that has the model.")
    for variable, value in _DEFAULTS.items():
        os.environ.setdefault(variable, value)
    try:
        import mlflow
    except ModuleNotFoundError:
        raise TaskError(f"{uri}: MLflow is not installed; install the version in requirements.txt.") from None
    from mlflow.exceptions import MlflowException

    try:
        folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(target)))
    except (MlflowException, OSError) as error:
        raise TaskError(f"{uri} cannot be fetched from MLflow ({_first_line(error)}).") from error
    if not (folder / MLMODEL_FILE).is_file():
        raise TaskError(f"{uri} has no file {MLMODEL_FILE}; it is not a package.")
    (folder / _ADDED_BY_MLFLOW).unlink(missing_ok=True)
    return folder


def default_name(root: Path, task: str) -> str:
    """`<repository>-<task>`, the name that models of this repository are registered under where nobody chose another.

    The repository is the last part of GITHUB_REPOSITORY, otherwise of origin's address, otherwise the folder's name.
    """
    return f"{_repository(root)}-{task}"


def _repository(root: Path) -> str:
    named = os.environ.get("GITHUB_REPOSITORY", "")
    if not named:
        command = ["git", "remote", "get-url", "origin"]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True)
        named = done.stdout.strip() if done.returncode == 0 else ""
    # The path of an address, scp's kind too, and of a Windows or other folder.
    path = urlsplit(named).path if "://" in named else named
    parts = [part for part in re.split(r"[/:\\]", path.rstrip("/").removesuffix(".git")) if part not in ("", ".", "..")]
    return parts[-1] if parts else root.resolve().name


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")[:300]

"""Where the MLflow server is, what it is told the repository is called, and how patient its client is."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit, urlunsplit

from pawl.config import Config
from pawl.git import git, toplevel
from pawl.tracking.names import Experiments, experiments
from pawl.tracking.spool import by_turns
from pawl.waiting import patience_seconds, request_seconds

if TYPE_CHECKING:
    from mlflow import MlflowClient

# MLflow's own patience is minutes for every call; a result is not worth that, and can be delivered later.
_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
_MOST_REQUEST_SECONDS = 15.0
_MAIN_EVENTS = ("push", "schedule", "workflow_run")

__all__ = ["Experiments", "be_quiet", "client_for", "experiment_of", "experiments", "repository_name", "tracking_uri"]


class Place(Protocol):
    """A repository and its settings, such as a session's."""

    @property
    def root(self) -> Path:
        """The DVC root."""

    @property
    def config(self) -> Config:
        """What pawl.yaml says."""


@dataclass(frozen=True)
class Checkout:
    """A place where there is no session."""

    root: Path
    config: Config


def configured_uri(session: Place) -> str | None:
    """The server that somebody named: MLFLOW_TRACKING_URI, else `tracking.uri` of pawl.yaml; None: nobody did."""
    return os.environ.get("MLFLOW_TRACKING_URI") or session.config.tracking.uri


def tracking_uri(session: Place) -> str:
    """The server: MLFLOW_TRACKING_URI, else `tracking.uri` of pawl.yaml, else a SQLite file in `.pawl/`."""
    from pawl.pipeline.checkout import state_folder

    return configured_uri(session) or f"sqlite:///{state_folder(toplevel(session.root)) / 'mlflow.db'}"


def be_quiet() -> None:
    """Before MLflow is imported: one retry, limits in seconds, no telemetry; what the environment says comes first."""
    for variable, value in _DEFAULTS.items():
        os.environ.setdefault(variable, value)
    seconds = math.ceil(min(_MOST_REQUEST_SECONDS, request_seconds()))
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(seconds))


def client_for(uri: str) -> MlflowClient:
    """MLflow's client for that server, which is asked nothing yet; a SQLite file is made, or brought up to date."""
    be_quiet()
    from mlflow import MlflowClient

    with _one_at_a_time(uri):
        return MlflowClient(tracking_uri=uri)


@contextmanager
def _one_at_a_time(uri: str) -> Iterator[None]:
    """Two that make MLflow's tables in one SQLite file at once find them there already, and fail: the second waits."""
    kind, _, rest = uri.partition(":///")
    name = rest.partition("?")[0]
    if not kind.startswith("sqlite") or not name:
        yield
        return
    with by_turns(Path(f"{name}.lock"), patience_seconds()):
        yield


def repository_name(session: Place) -> str:
    """owner/name as the workflow says it, else the last part of origin's address, else the folder's name."""
    if os.environ.get("GITHUB_REPOSITORY"):
        return os.environ["GITHUB_REPOSITORY"][:200]
    origin = git(session.root, "remote", "get-url", "origin", check=False).rstrip("/").removesuffix(".git")
    parts = [part for part in re.split(r"[/:]", origin) if part not in ("", ".", "..")]
    return parts[-1] if parts else session.root.name


def is_main(session: Place) -> bool:
    """Whether this is a workflow that runs on the base branch itself: no pull request, no dispatch, no person."""
    return (
        os.environ.get("GITHUB_EVENT_NAME") in _MAIN_EVENTS
        and os.environ.get("GITHUB_REF") == f"refs/heads/{session.config.base.removeprefix('origin/')}"
    )


def experiment_of(session: Place) -> str:
    """The experiment that this session's runs go to."""
    named = experiments(session.config.tracking.experiment or repository_name(session))
    return named.main if is_main(session) else named.branches


def without_secrets(uri: str) -> str:
    """An address without the user name and password it may carry."""
    if "://" not in uri:
        return uri[:500]
    parts = urlsplit(uri)
    if not parts.netloc:
        return uri[:500]
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))[:500]

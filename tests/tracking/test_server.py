"""Which experiment a run goes to, and what of an address may be seen."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from pawl.config import Config
from pawl.config_blocks import TrackingSettings
from pawl.tracking.deliver import _said
from pawl.tracking.server import Checkout, be_quiet, configured_uri, experiment_of, tracking_uri, without_secrets
from pawl.tracking.session import Open, root_of, stream
from tests.support.repositories import git

MAIN = {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/main", "GITHUB_REPOSITORY": "acme/ct"}


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    git(tmp_path, "init", "--quiet")
    return Checkout(tmp_path, Config())


@pytest.mark.parametrize(
    ("env", "name"),
    [
        (MAIN, "acme/ct"),
        (MAIN | {"GITHUB_EVENT_NAME": "schedule"}, "acme/ct"),
        (MAIN | {"GITHUB_EVENT_NAME": "pull_request"}, "acme/ct branches"),
        (MAIN | {"GITHUB_EVENT_NAME": "workflow_dispatch"}, "acme/ct branches"),
        (MAIN | {"GITHUB_EVENT_NAME": ""}, "acme/ct branches"),
        (MAIN | {"GITHUB_REF": "refs/heads/feature"}, "acme/ct branches"),
        (MAIN | {"GITHUB_REF": "refs/heads/feature/main"}, "acme/ct branches"),
        (MAIN | {"GITHUB_REF": "refs/tags/main"}, "acme/ct branches"),
        (MAIN | {"GITHUB_REF": ""}, "acme/ct branches"),
    ],
)
def test_only_the_workflows_of_main_write_mains_experiment(
    env: dict[str, str], name: str, checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in env.items():
        monkeypatch.setenv(variable, value)
    assert experiment_of(checkout) == name


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://somebody:s3cret@mlflow.example.com:5000/x", "https://mlflow.example.com:5000/x"),
        ("https://mlflow.example.com/x?token=s3cret#s3cret", "https://mlflow.example.com/x"),
        ("https://s3cret@mlflow.example.com", "https://mlflow.example.com"),
        ("postgresql://somebody:s3cret@[::1]:5432/mlflow", "postgresql://[::1]:5432/mlflow"),
        ("sqlite:////tmp/mlflow.db", "sqlite:////tmp/mlflow.db"),
        ("databricks", "databricks"),
    ],
)
def test_what_opens_a_server_is_not_shown(uri: str, shown: str) -> None:
    assert without_secrets(uri) == shown
    said = _said(ValueError(f"no answer from {uri}, and so on"), uri)
    assert "s3cret" not in said
    assert shown in said


def test_the_environment_goes_before_the_file(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    named = Checkout(checkout.root, Config(tracking=TrackingSettings(uri="https://file.example.com")))
    assert (configured_uri(checkout), configured_uri(named)) == (None, "https://file.example.com")
    assert tracking_uri(checkout) == f"sqlite:///{checkout.root}/.pawl/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://environment.example.com")
    assert tracking_uri(named) == "https://environment.example.com"


def test_mlflow_is_told_to_be_quick_unless_somebody_said_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("MLFLOW_HTTP_REQUEST_TIMEOUT", "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_DISABLE_TELEMETRY"):
        monkeypatch.setenv(variable, "set")  # so that it is put back
        monkeypatch.delenv(variable)
    monkeypatch.setenv("PAWL_PATIENCE_SECONDS", "40")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "9")
    be_quiet()
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "4"
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "9"
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_TIMEOUT")
    monkeypatch.setenv("PAWL_PATIENCE_SECONDS", "3600")
    be_quiet()
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "15"


def test_in_a_workflow_nothing_is_delivered_where_stages_run(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its address may hold a password, and a stage of the same user can read what the process beside it was told."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        uri = f"http://somebody:s3cret@127.0.0.1:{listening.getsockname()[1]}"
        place = Checkout(checkout.root, Config(tracking=TrackingSettings(uri=uri)))
        folder = root_of(place) / "spool"
        stream(place, folder)
        assert folder not in Open.deliverers
        # Elsewhere, with the same settings, it is.
        monkeypatch.delenv("GITHUB_ACTIONS")
        stream(place, folder)
        Open.deliverers.pop(folder).end()
    # Nor where nobody answers.
    stream(place, folder)
    assert folder not in Open.deliverers
    # A local file is nobody's to watch, and written at the end.
    stream(checkout, folder)
    assert folder not in Open.deliverers

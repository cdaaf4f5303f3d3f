"""What other machines are told: where things are, and nothing that opens them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pawl.pipeline.project import open_project
from pawl.scaling.orders import passed_on, remotes_of
from tests.support.repositories import make_repository

REMOTES = """
[core]
    remote = main
['remote "main"']
    url = s3://acme/results
    endpointurl = https://s3.example.com
    region = eu-1
    access_key_id = AKIA-SECRET
    secret_access_key = very-SECRET
    session_token = SECRET
    profile = SECRET
    configpath = /home/SECRET
['remote "ssh"']
    url = ssh://host/path
    user = trainer
    port = 2222
    password = SECRET
    keyfile = SECRET
['remote "near"']
    url = ../store
"""


def test_no_credentials_are_sent(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "work", {".dvc/config.local": REMOTES})
    remotes, default = remotes_of(open_project(root))
    assert "SECRET" not in repr(remotes)
    assert default == "main"
    main = {"url": "s3://acme/results", "endpointurl": "https://s3.example.com", "region": "eu-1"}
    assert {key: remotes["main"][key] for key in main} == main
    assert remotes["ssh"] | {"user": "trainer", "port": 2222} == remotes["ssh"]
    # Relative to the file that names it, which lies elsewhere on another machine.
    assert remotes["near"]["url"] == str(root / "store")


def test_only_what_decides_which_results_count_goes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "hidden")
    monkeypatch.setenv("PAWL_CACHE", "pull-requests")
    assert passed_on() == {"PAWL_CACHE": "pull-requests"}

"""The machine's file: what may stand in it, and what is said where it is wrong."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pawl.errors import InputError
from pawl.runner.settings import Settings, load_settings
from pawl.runner.supervisor import prepare
from tests.runner.machine import as_toml

GOOD: dict[str, Any] = {
    "repository": "acme/ct",
    "app_id": 1,
    "installation_id": 2,
    "key_file": "/etc/pawl-runner/app.pem",
    "runner_folder": "/opt/runner",
}


def load(folder: Path, **changes: Any) -> Settings:
    path = folder / "runner.toml"
    values = {key: value for key, value in (GOOD | changes).items() if value is not None}
    path.write_text("".join(f"{key} = {as_toml(value)}\n" for key, value in values.items()))
    return load_settings(path)


def test_defaults(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert settings.labels == ["self-hosted", "linux", "gpu"]
    assert (settings.owner_path, settings.permission) == ("/repos/acme/ct", "administration")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"slot": 2}, 'unknown key "slot": did you mean "slots"?'),
        ({"installation_id": None}, 'the key "installation_id" is missing'),
        ({"organization": "acme"}, "either repository or organization"),
        ({"repository": None}, "either repository or organization"),
        ({"repository": "acme/ct/../x"}, '"repository"'),
        ({"repository": "acme"}, '"repository"'),
        ({"runner_folder": "runner"}, "absolute path"),
        ({"api_url": "http://github.example"}, "https://"),
        ({"key_file": "app.pem"}, "absolute path"),
        ({"labels": []}, '"labels"'),
        ({"labels": ["a,b"]}, '"labels.0"'),
        ({"slots": 0}, '"slots"'),
        ({"slots": 2, "users": ["a"]}, "each of the 2 slots"),
        ({"slots": 2, "users": ["a", "a"]}, "all different"),
        ({"job_seconds": "12h"}, '"job_seconds"'),
        ({"cache_cap_bytes": 5}, "cache_folder"),
        ({"gpus": ["0; rm"]}, '"gpus.0"'),
        ({"environment": {"ACTIONS_RUNNER_INPUT_TOKEN": "x"}}, "ACTIONS_RUNNER_INPUT_TOKEN"),
        ({"environment": {"A-B": "x"}}, '"environment.A-B'),
    ],
    ids=str,
)
def test_what_is_wrong_is_named_in_one_sentence(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, **changes)
    assert words in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_no_file_and_no_toml(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"docs/runner\.md"):
        load_settings(tmp_path / "none")
    (tmp_path / "bad").write_text("slots = oops\n")
    with pytest.raises(InputError, match="line 1"):
        load_settings(tmp_path / "bad")


def test_jobs_never_run_as_root_nor_unasked_as_the_supervisor(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="as root" if os.geteuid() == 0 else "same_user"):
        prepare(load(tmp_path))
    if os.geteuid() == 0:
        with pytest.raises(InputError, match="is root"):
            prepare(load(tmp_path, users=["root"]))
        with pytest.raises(InputError, match="useradd"):
            prepare(load(tmp_path, users=["nobody-of-this-name"]))
    else:
        with pytest.raises(InputError, match="runs as root"):
            prepare(load(tmp_path, users=["nobody"]))

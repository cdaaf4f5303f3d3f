"""Which options `pawl plan` is given for each event."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.github.load import GITHUB, load

plan = load("steps/plan.py")
BEFORE = "0123456789abcdef0123456789abcdef01234567"


def known(commit: str) -> bool:
    return commit == BEFORE


def test_a_pull_request_is_measured_against_the_branch_it_goes_into() -> None:
    assert plan.options("pull_request", {"pull_request": {"base": {"ref": "release/2"}}}, known) == ["--base=release/2"]


@pytest.mark.parametrize("before", ["0" * 40, "f" * 40, "", None, "--upload-pack=x", f"{BEFORE} ", "main"])
def test_a_push_without_a_usable_before_makes_sure_of_everything(before: str | None) -> None:
    assert plan.options("push", {"before": before}, known) == ["--base=HEAD", "--all"]


def test_a_push_is_measured_against_what_was_there_before() -> None:
    assert plan.options("push", {"before": BEFORE}, known) == [f"--base={BEFORE}"]


def test_a_dispatch_without_inputs_is_a_plain_plan() -> None:
    empty = {"base": "", "overrides": "", "force": "false", "pull_request": ""}
    for inputs in (None, {}, empty, empty | {"force": False}):
        assert plan.options("workflow_dispatch", {"inputs": inputs}, known) == []


@pytest.mark.parametrize("force", ["true", True])
def test_a_dispatch_hands_its_inputs_on(force: Any) -> None:
    inputs = {"base": " v1.0 ", "overrides": "a.b=1  'c.d=[16, 32]'\ne=x", "force": force}
    expected = ["--base=v1.0", "--set=a.b=1", "--set=c.d=[16, 32]", "--set=e=x", "--force"]
    assert plan.options("workflow_dispatch", {"inputs": inputs}, known) == expected


@given(st.lists(st.tuples(st.text(min_size=1), st.text())))
def test_every_override_reaches_pawl_as_it_was_meant(pairs: list[tuple[str, str]]) -> None:
    overrides = [f"{key}={value}" for key, value in pairs]
    given_options = plan.options("workflow_dispatch", {"inputs": {"overrides": shlex.join(overrides)}}, known)
    assert given_options == [f"--set={one}" for one in overrides]


@given(st.text())
def test_nothing_typed_into_a_dispatch_becomes_another_option(text: str) -> None:
    try:
        made = plan.options("workflow_dispatch", {"inputs": {"overrides": text, "base": text}}, known)
    except ValueError:
        return  # refused with a sentence, as another test sees
    assert all(option.startswith(("--set=", "--base=")) for option in made)


@pytest.mark.parametrize("overrides", ["epochs", "'a=1", "a=1 --force"])
def test_overrides_that_are_none_end_in_one_sentence(overrides: str, tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"inputs": {"overrides": overrides}}))
    env = {**os.environ, "GITHUB_EVENT_PATH": str(event), "GITHUB_EVENT_NAME": "workflow_dispatch"}
    done = subprocess.run(
        [sys.executable, str(GITHUB / "steps" / "plan.py")], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.startswith("plan: ")
    assert done.stderr.count("\n") == 1


def test_the_shell_never_sees_an_override(tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"inputs": {"overrides": "'a=$(touch pwned)' b=`id`"}}))
    (tmp_path / "bin").mkdir()
    pawl = tmp_path / "bin" / "pawl"
    pawl.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\nexit 3\n')
    pawl.chmod(0o755)
    env = {"PATH": f"{pawl.parent}:{os.environ['PATH']}", "GITHUB_EVENT_PATH": str(event)}
    env["GITHUB_EVENT_NAME"] = "workflow_dispatch"
    done = subprocess.run(
        [sys.executable, str(GITHUB / "steps" / "plan.py")], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (3, "plan\n--set=a=$(touch pwned)\n--set=b=`id`\n")

"""`pawl doctor` as a person and a program use it, and the time that it takes at most."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pawl.doctor.checks import Check, carry_out
from pawl.doctor.diagnosis import Diagnosis, Line, ok
from pawl.doctor.machine import disk_lines, gpu_lines
from pawl.errors import InputError
from tests.pipeline.nvml import make_library, needs_compiler
from tests.support.repositories import commit, make_repository, pawl


def states(lines: tuple[Line, ...]) -> dict[str, str]:
    return {line.name: line.state for line in lines}


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """A repository in which nothing is an error."""
    return make_repository(tmp_path / "sound", {".gitattributes": "dvc.lock -merge\n"})


def test_the_exit_code_is_0_without_errors_and_1_with_one(sound: Path) -> None:
    done = pawl(sound, "doctor", "--json")
    told = Diagnosis.model_validate_json(done.stdout)
    assert done.returncode == 0, done.stdout
    assert {"Python", "packages", "DVC", "GPU", "git", "dvc.yaml", "dvc.lock", "MLflow", "CML"} <= set(
        states(told.lines)
    )
    groups = [line.group for line in told.lines]
    assert sorted(groups, key=["machine", "repository", "remotes", "services", "github"].index) == groups
    commit(sound, "Forget it", {".gitattributes": "\n"})
    done = pawl(sound, "doctor")
    assert done.returncode == 1
    assert "dvc.lock -merge" in done.stdout
    assert "1 errors" in done.stdout


def test_every_line_that_is_not_ok_has_a_remedy_and_fits_the_schema(sound: Path) -> None:
    told = json.loads(pawl(sound, "doctor", "--json").stdout)
    for line in told["lines"]:
        assert bool(line["remedy"]) == (line["state"] != "ok" and line["checked"])
        assert "\n" not in line["found"] + line["remedy"]


def test_outside_of_any_repository_the_machine_is_still_looked_at(tmp_path: Path) -> None:
    done = pawl(tmp_path, "doctor", "--json")
    told = states(Diagnosis.model_validate_json(done.stdout).lines)
    assert done.returncode == 1
    assert (told["Python"], told["checkout"], told["DVC repository"]) == ("ok", "error", "error")


def test_bad_input_is_2(sound: Path) -> None:
    for options in (("--repository", "nowhere"), ("--read-only", "storage")):
        done = pawl(sound, "doctor", *options)
        assert done.returncode == 2
        assert done.stderr.startswith("pawl: ")


def test_github_without_a_token_is_one_line(sound: Path) -> None:
    done = pawl(sound, "doctor", "--github", "--json")
    [line] = [line for line in json.loads(done.stdout)["lines"] if line["group"] == "github"]
    assert (done.returncode, line["state"], line["checked"]) == (0, "warning", False)


def test_nothing_that_hangs_can_hold_it_up(sound: Path) -> None:
    """MLflow, GitHub and the remote all take the connection and never answer."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        (sound / ".dvc" / "config").write_text(f"[core]\n    remote = s\n['remote \"s\"']\n    url = {address}/dvc\n")
        env = {
            "MLFLOW_TRACKING_URI": address,
            "GITHUB_API_URL": address,
            "GITHUB_TOKEN": "t",
            "GITHUB_REPOSITORY": "a/b",
        }
        begun = time.monotonic()
        done = pawl(sound, "doctor", "--github", "--json", env=env)
        seconds = time.monotonic() - begun
    told = states(Diagnosis.model_validate_json(done.stdout).lines)
    assert (told["MLflow"], told["token"], told["s (default)"]) == ("warning", "warning", "error")
    assert told["dvc.yaml"] == "ok"
    # 11 s of checks, and the start of two Pythons on a busy machine.
    assert seconds < 25.0


def test_a_check_that_raises_or_never_ends_is_a_line() -> None:
    def fails() -> list[Line]:
        raise ValueError("no\nluck")

    def refuses() -> list[Line]:
        raise InputError("a sentence.")

    def hangs() -> list[Line]:
        time.sleep(60)
        return []

    looks = {"a": fails, "b": refuses, "c": hangs, "d": lambda: [ok("machine", "d", "fine"), ok("machine", "e", "too")]}
    begun = time.monotonic()
    lines = carry_out([Check("machine", name, look) for name, look in looks.items()], 0.5)
    assert time.monotonic() - begun < 5.0
    assert [(line.name, line.state, line.found) for line in lines] == [
        ("a", "warning", "not checked: ValueError: no luck"),
        ("b", "warning", "not checked: a sentence."),
        ("c", "warning", "not checked: no answer within 0 s"),
        ("d", "ok", "fine"),
        ("e", "ok", "too"),
    ]


def test_free_space_decides(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usage = shutil.disk_usage(tmp_path)
    for gigabytes, state in ((1.0, "error"), (10.0, "warning"), (50.0, "ok")):
        monkeypatch.setattr(shutil, "disk_usage", lambda place, free=gigabytes: usage._replace(free=int(free * 1e9)))
        [line] = disk_lines({"cache": tmp_path / "not" / "yet"})
        assert (line.state, line.name) == (state, "disk: cache")


@needs_compiler
def test_a_gpu_and_its_driver(tmp_path: Path) -> None:
    """In a process of its own, which loads the library of two cards that is compiled here."""
    env = {**os.environ, **make_library(tmp_path)}
    smi = tmp_path / "nvidia-smi"
    smi.write_text('#!/bin/sh\nprintf "0, NVIDIA H100\\n1, NVIDIA H100\\n"\n')
    smi.chmod(0o755)
    env["PATH"] = f"{tmp_path}:{env['PATH']}"
    env["PYTHONPATH"] = str(Path(__file__).parents[2] / "src")
    code = "from pawl.doctor.machine import gpu_lines; print(gpu_lines()[0].model_dump_json())"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    line = json.loads(done.stdout)
    assert "NVIDIA H100, NVIDIA H100; 2 visible to stages; driver 550.54.15" in line["found"]
    done = subprocess.run(
        [sys.executable, "-c", code], env=env | {"CUDA_VISIBLE_DEVICES": ""}, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["state"] == "error"


def test_without_a_gpu_it_is_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    [line] = gpu_lines()
    assert line.state in ("warning", "error")
    assert line.remedy

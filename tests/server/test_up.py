"""`python -m pawl.server`: starting, stopping and failing. Two starts of all and one of the data: 60 to 120 s."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from pawl.errors import InputError
from pawl.server.database import BIN_VARIABLE, find_postgresql
from pawl.server.folder import Folder
from pawl.server.processes import free_ports
from tests.server.stack import processes_of, server_folder

_DEADLINE_SECONDS = 240


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with server_folder() as folder:
        yield folder


@contextmanager
def _up(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """`up` in a process of its own, and what it said until it was ready."""
    command = [sys.executable, "-m", "pawl.server", "--folder", str(folder), "up", "--workers", "1", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    assert process.stderr is not None
    said: list[str] = []
    try:
        for line in process.stderr:
            said.append(line.strip())
            if line.startswith("Ctrl-C"):
                break
        yield process, said
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def _command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pawl.server", "--folder", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=_DEADLINE_SECONDS)


def _gone(folder: Path, within_seconds: float = 0.0) -> list[str]:
    deadline = time.monotonic() + within_seconds
    while (left := processes_of(folder)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return left


def test_ctrl_c_ends_all_and_the_next_start_finds_the_data(folder: Path) -> None:
    port = free_ports(1)[0]
    with _up(folder, "--port", str(port)) as (process, said):
        assert f"MLflow: http://127.0.0.1:{port}" in said, said
        password = _command(folder, "password", "admin").stdout.strip()
        assert len(password) >= 20
        assert not any(password in line for line in said)
        for place in (folder / "passwords.json", folder / "tracking" / "basic_auth.ini", folder / "store" / "s3.json"):
            assert place.stat().st_mode & 0o077 == 0, place
        secrets = [value for value in Folder(folder).passwords().model_dump().values() if isinstance(value, str)]
        listed = processes_of(folder)
        assert len(listed) >= 3
        assert not [line for line in listed if any(secret in line for secret in [password, *secrets])]
        url = f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments/create"
        assert requests.post(url, json={"name": "kept"}, auth=("admin", password), timeout=60).status_code == 200

        again = _command(folder, "up", "--port", "0")
        assert (again.returncode, "already" in again.stderr) == (2, True), again.stderr
        missing = _command(folder, "password", "mian")
        assert missing.returncode == 2
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert _gone(folder) == []
    assert Folder(folder).standing() is None
    refused = _command(folder, "users", "acme/ct")
    assert (refused.returncode, "no server runs" in refused.stderr) == (2, True), refused.stderr

    with _up(folder, "--port", "0") as (process, _):
        standing = Folder(folder).standing()
        assert standing is not None
        url = f"{standing.uri}/api/2.0/mlflow/experiments/get-by-name"
        answer = requests.get(url, params={"experiment_name": "kept"}, auth=("admin", password), timeout=60)
        assert answer.status_code == 200

        mlflow = next(pid for pid in _children(process.pid) if "mlflow" in _line(pid))
        os.kill(mlflow, signal.SIGKILL)
        assert process.stderr is not None
        last = process.stderr.read().splitlines()[-1]
        assert process.wait(60) == 4
        assert last.startswith("error: MLflow was killed by SIGKILL; its log is ")
        assert _gone(folder) == []


def test_nothing_outlives_a_server_that_is_killed(folder: Path) -> None:
    code = (
        "import sys, time, pathlib; from pawl.server.stack import stack_in\n"
        "with stack_in(pathlib.Path(sys.argv[1]), with_tracking=False): print('ready', flush=True); time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert len(processes_of(folder)) >= 2
    finally:
        process.kill()
        process.wait()
    assert _gone(folder, within_seconds=30) == []


def test_a_port_that_somebody_has(tmp_path: Path) -> None:
    with server_folder() as folder, socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = _command(folder, "up", "--port", str(port))
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1].startswith(f"error: port {port} cannot be had (")
        assert processes_of(folder) == []


def test_data_of_another_postgresql_is_left_alone() -> None:
    with server_folder() as folder:
        (folder / "database").mkdir(parents=True)
        (folder / "database" / "PG_VERSION").write_text("9\n")
        done = _command(folder, "up", "--port", "0")
        assert done.returncode == 2
        assert "was written by PostgreSQL 9, and here is " in done.stderr
        assert [path.name for path in (folder / "database").iterdir()] == ["PG_VERSION"]


def test_without_postgresql_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(BIN_VARIABLE, str(tmp_path))
    with pytest.raises(InputError, match=r"^PostgreSQL is not on this machine: install it .* set PAWL_POSTGRESQL_BIN"):
        find_postgresql(tmp_path / "database")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become another")
def test_a_folder_that_postgresqls_user_cannot_get_to(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    done = _command(tmp_path / "server", "up", "--port", "0")
    assert (done.returncode, "cannot get to" in done.stderr) == (2, True), done.stderr


def test_passwords_that_were_changed_by_hand_are_not_repeated(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.passwords()
    written = (tmp_path / "passwords.json").read_text()
    (tmp_path / "passwords.json").write_text(written.replace('"flask"', '"flaks"'))
    with pytest.raises(InputError, match=r"is not what pawl wrote \(flaks\)") as refused:
        folder.passwords()
    assert not any(line.split('"')[3] in str(refused.value) for line in written.splitlines() if line.count('"') == 4)


def test_a_folder_that_lost_its_passwords(tmp_path: Path) -> None:
    (tmp_path / "database").mkdir()
    with pytest.raises(InputError, match=r"passwords.json is missing"):
        Folder(tmp_path).passwords()


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")

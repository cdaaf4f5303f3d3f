"""A runner machine in a folder: its settings, key and program, and supervisors as real processes on it."""

from __future__ import annotations

import functools
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fakes.github import FakeGitHub
from tests.fakes.github_runners import Job, Runners

PROGRAM = Path(__file__).parent / "program"
SOURCE = Path(__file__).parents[2] / "src"
PYTHON = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
"""For the runner program, which another user has to be able to start."""
SECONDS = 30.0
"""How long anything is waited for before the test fails."""


@functools.cache
def app_key() -> tuple[bytes, str]:
    """A private key as PEM, and its public half."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private, public.decode()


@dataclass
class Machine:
    """`folder` holds everything; `settings` is what its file says, each value as TOML writes it."""

    folder: Path
    github: FakeGitHub
    settings: dict[str, Any] = field(default_factory=dict)
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        private, public = app_key()
        self.github.state.runners.add_app(public)
        self.folder.mkdir(parents=True, exist_ok=True)
        key = self.folder / "app.pem"
        key.write_bytes(private)
        key.chmod(0o600)
        self.program = self.folder / "actions-runner"
        shutil.copytree(PROGRAM, self.program, ignore=shutil.ignore_patterns("__pycache__"))
        self.settings = {
            "repository": "acme/ct",
            "name": "gpu-box",
            "api_url": self.github.url,
            "app_id": 12,
            "installation_id": 34,
            "key_file": str(key),
            "runner_folder": str(self.program),
            "work_folder": str(self.folder / "work"),
            "lease_folder": str(self.folder / "leases"),
            "gpus_per_slot": 0,
            "gpus": [],
            "environment": {"FAKE_RUNNER_PYTHON": PYTHON},
        } | self.settings
        if os.geteuid() == 0:
            slots, first = self.settings.get("slots", 1), own_uids()
            self.settings.setdefault("users", [str(first + slot) for slot in range(slots)])
        else:
            self.settings.setdefault("same_user", True)

    @property
    def runners(self) -> Runners:
        return self.github.state.runners

    @property
    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def slot(self, number: int = 1) -> Path:
        return self.folder / "work" / f"slot-{number}"

    def write_settings(self, name: str = "runner.toml", **changes: Any) -> Path:
        path = self.folder / name
        values = {key: value for key, value in (self.settings | changes).items() if value is not None}
        path.write_text("".join(f"{key} = {as_toml(value)}\n" for key, value in values.items()), "utf-8")
        return path

    def start(self, *options: str, config: Path | None = None) -> subprocess.Popen[bytes]:
        """A supervisor, its words in `log`, with a secret in its own environment that no job may see."""
        command = [sys.executable, "-P", "-m", "pawl.runner", "--config", str(config or self.write_settings())]
        environment = os.environ | {"PYTHONPATH": str(SOURCE), "SUPERVISORS_SECRET": "squeamish"}
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen([*command, *options], env=environment, stderr=log, stdout=log)
        self.started.append(process)
        return process

    def run(self, *options: str, config: Path | None = None) -> subprocess.CompletedProcess[str]:
        """The command to its end."""
        command = [sys.executable, "-P", "-m", "pawl.runner", "--config", str(config or self.write_settings())]
        environment = os.environ | {"PYTHONPATH": str(SOURCE)}
        return subprocess.run([*command, *options], env=environment, capture_output=True, text=True, timeout=60)

    def end(self) -> None:
        """Kill what is left of the supervisors that this machine started, and their slots and jobs."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait()
        for pid in self.left_processes():
            os.kill(pid, 9)

    def left_processes(self) -> list[int]:
        """Whatever was started for this machine: by its user, by its folder on the command line, or by its mark."""
        users = set(self.settings.get("users", []))
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                status = (entry / "status").read_text()
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            with suppress(OSError):  # another user's
                words += (entry / "environ").read_bytes()
            uids = set(status.partition("Uid:")[2].splitlines()[0].split())
            if "State:\tZ" not in status and (uids & users or str(self.folder).encode() in words):
                found.append(int(entry.name))
        return found

    def finished(self, job: Job) -> Job:
        """The job, when it has ended on GitHub."""
        self.wait(lambda: job.conclusion is not None, f"the end of job {job.name}")
        return job

    def wait(self, found: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + SECONDS
        while not found():
            assert time.monotonic() < deadline, f"no {what} in {SECONDS} s:\n{self.log}"
            time.sleep(0.02)

    def wait_for_log(self, text: str, times: int = 1) -> None:
        self.wait(lambda: self.log.count(text) >= times, f"{text!r} in the log")

    def wait_idle(self) -> None:
        self.wait(lambda: any(r.online and r.job is None for r in list(self.runners.runners.values())), "idle runner")


_MACHINES = itertools.count()


def own_uids() -> int:
    """The first of some user numbers that belong to nobody but one machine of this process's tests."""
    return 2_000_000 + (os.getpid() % 100_000) * 10_000 + next(_MACHINES) % 1_000 * 10


def as_toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {as_toml(inner)}" for key, inner in value.items()) + "}"
    return json.dumps(value)


def cmdline(pid: int) -> bytes:
    """A process's command line; nothing where it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""

"""The steps of the training job, run one by one as the workflow does, on a checkout of this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.repositories import git

SLUG = "acme/ct"
FILES = ("GITHUB_ENV", "GITHUB_PATH", "GITHUB_OUTPUT", "GITHUB_STATE", "GITHUB_STEP_SUMMARY")
"""By these a step speaks to the runner program, and through it to later steps."""
ID_TOKEN = {"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "id-token-request", "ACTIONS_ID_TOKEN_REQUEST_URL": "http://127.0.0.1:1"}
"""The runner program tells these to every step of a job that may ask for ID tokens."""


@dataclass
class Job:
    """A job on a machine; `root` is its checkout, at the commit that is to be measured."""

    root: Path
    folder: Path
    event_name: str = "pull_request"
    event: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    """What is set on the machine or for the whole job."""

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.event = self.event or {
            "number": 7,
            "repository": {"full_name": SLUG, "default_branch": "main"},
            "pull_request": {
                "number": 7,
                "user": {"login": "ann"},
                "head": {"sha": git(self.root, "rev-parse", "HEAD"), "ref": "change", "repo": {"full_name": SLUG}},
                "base": {"sha": git(self.root, "rev-parse", "main"), "ref": "main"},
            },
        }

    def variables(self, step: str, told: Mapping[str, str]) -> dict[str, str]:
        """What a step's process sees: its own, the job's, and what the runner program says to all."""
        event = self.folder / "event.json"
        event.write_text(json.dumps(self.event))
        spoken = {name: str(self.folder / f"{step}-{name.lower()}") for name in FILES}
        for path in spoken.values():
            Path(path).touch()
        named = {"GITHUB_EVENT_NAME": self.event_name, "GITHUB_EVENT_PATH": str(event), "GITHUB_REPOSITORY": SLUG}
        head = {"GITHUB_SHA": git(self.root, "rev-parse", "HEAD"), "CI": "true"}
        return named | head | spoken | ID_TOKEN | self.environment | dict(told)

    def step(self, *command: str, told: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """One step of pawl's, in a shell of its own as the runner program starts it."""
        name = command[-1]
        here = str(Path(__file__).parents[2] / "src")
        env = {**os.environ, "PYTHONPATH": here, **self.variables(name, told or {})}
        line = ["bash", "--noprofile", "--norc", "-c", f"{sys.executable} -m pawl {' '.join(command)}; exit $?"]
        return subprocess.run(line, cwd=self.root, env=env, capture_output=True, text=True, timeout=300)

    def ok(self, *command: str, told: Mapping[str, str] | None = None) -> str:
        """One step that has to go well."""
        done = self.step(*command, told=told)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def spoken(self, step: str) -> dict[str, str]:
        """What a step said to the runner program."""
        return {name: (self.folder / f"{step}-{name.lower()}").read_text() for name in FILES}

"""The jobs of continuous-training.yml on this machine, step by step, so that something can happen at any of them.

The steps, their conditions and their environment are read from the workflow. Actions are stood in for: a checkout is a
clone, an artifact is a folder, and the rest, which sets up Python and logs in, is nothing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.world import MAIN_WORKFLOW, SOURCE, TOKEN
from tests.support.repositories import git

STEP_SECONDS = 120
BIN = Path(sys.executable).parent
WORKFLOW = yaml.safe_load((SOURCE / ".github" / "workflows" / MAIN_WORKFLOW).read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Ran:
    """How one step ended."""

    code: int
    """Its exit code; 137 where it was killed."""
    log: str
    seconds: float


@dataclass
class Run:
    """One attempt of the workflow. `folder` is new; `machine` holds what outlives a job, such as DVC's cache."""

    origin: Path
    folder: Path
    machine: Path
    environment: Mapping[str, str]
    """Of every step: GitHub's variables, and a maintainer's."""
    variables: Mapping[str, str]
    """`vars` of the repository."""
    programs: Path = BIN
    """Where `pawl` is."""
    steps: dict[tuple[str, str], Ran] = field(default_factory=dict)
    """(job, step's name) -> its end; skipped ones are not there."""
    jobs: dict[str, str] = field(default_factory=dict)
    """Job -> success, failure or skipped."""
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    places: dict[str, Path] = field(default_factory=dict)
    """Job -> the checkout of an earlier run, to go on in."""
    contexts: dict[str, dict[str, str]] = field(default_factory=dict)
    """Job -> what its expressions may name, for going on where it was stopped."""
    before: Callable[[str, str, subprocess.Popen[str] | None], None] = lambda job, step, process: None
    """Called with (job, step, None) before each step with a command, and with its process once that has begun."""

    @property
    def summary(self) -> str:
        """What the steps wrote for the run's page."""
        path = self.folder / "summary.md"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def artifact(self, name: str) -> Path:
        """The folder of that artifact."""
        return self.folder / "artifacts" / name

    def temporary(self, job: str) -> Path:
        """RUNNER_TEMP of that job."""
        return self.folder / f"{job}-temp"

    def checkout(self, job: str) -> Path:
        """GITHUB_WORKSPACE of that job."""
        return self.places.get(job, self.folder / job)

    def log(self) -> str:
        """What all steps said, for a test that fails."""
        return "\n".join(f"{job}/{name} ({ran.code}): {ran.log}" for (job, name), ran in self.steps.items())

    def run(self, *jobs: str, start_at: str = "", stop_after: str = "") -> Run:
        """Run these jobs in order, as far as their conditions let them; a part of the last one's steps, if wished."""
        for job in jobs:
            last = job == jobs[-1]
            self._job(job, WORKFLOW["jobs"][job], start_at if last else "", stop_after if last else "")
        return self

    def _job(self, job: str, content: Mapping[str, Any], start_at: str, stop_after: str) -> None:
        needs = content.get("needs", [])
        needed = [needs] if isinstance(needs, str) else needs
        context = self.contexts.setdefault(job, {})
        context |= self._context() | {
            f"needs.{name}.outputs.{key}": value for name in needed for key, value in self._of(name).items()
        }
        context |= {f"needs.{name}.result": self.jobs.get(name, "success") for name in needed}
        fine = all(self.jobs.get(name, "success") == "success" for name in needed)
        if not holds(content.get("if"), context, fine):
            self.jobs[job] = "skipped"
            return
        self.temporary(job).mkdir(parents=True, exist_ok=True)
        fine, started = self.jobs.get(job, "success") == "success", not start_at
        for step in content["steps"]:
            started = started or step.get("name") == start_at
            if not started and (job in self.places or not step.get("uses", "").startswith("actions/checkout")):
                continue
            if not holds(step.get("if"), context, fine):
                continue
            code = self._step(job, step, context)
            if "id" in step:
                context[f"steps.{step['id']}.outcome"] = "failure" if code else "success"
            fine = fine and (code == 0 or step.get("continue-on-error") is True)
            if code == 137 or step.get("name") == stop_after:
                break  # the runner died with it, or the test is to look
        self.jobs[job] = "success" if fine else "failure"
        self.outputs[job] = {key: evaluated(value, context) for key, value in content.get("outputs", {}).items()}

    def _of(self, job: str) -> dict[str, str]:
        return self.outputs.get(job, dict.fromkeys(WORKFLOW["jobs"][job].get("outputs", {}), ""))

    def _step(self, job: str, step: Mapping[str, Any], context: dict[str, str]) -> int:
        action = step.get("uses", "").partition("@")[0]
        given = {key: self._value(str(value), job, context) for key, value in step.get("with", {}).items()}
        if action == "actions/checkout":
            self._check_out(job, given.get("ref", ""))
        elif action == "actions/upload-artifact":
            self._hand_over(job, given)
        elif action == "actions/download-artifact":
            if not self.artifact(given["name"]).is_dir():
                return 1
            shutil.copytree(self.artifact(given["name"]), given["path"])
        elif "run" in step:
            return self._command(job, step, context)
        return 0

    def _check_out(self, job: str, ref: str) -> None:
        place = self.checkout(job)
        if not place.exists():
            git(self.folder, "clone", "--quiet", "--no-checkout", str(self.origin), str(place))
            git(place, "fetch", "--quiet", "origin", "+refs/pull/*:refs/remotes/pull/*")
        git(place, "checkout", "--quiet", "--detach", ref or self.environment["GITHUB_SHA"])

    def _hand_over(self, job: str, given: Mapping[str, str]) -> None:
        target = self.artifact(given["name"])
        for pattern in given["path"].split():
            full = Path(pattern) if pattern.startswith("/") else self.checkout(job) / pattern
            for found in full.parent.glob(full.name):
                target.mkdir(parents=True, exist_ok=True)
                if found.is_dir():
                    inner = target / found.name if "\n" in given["path"].strip() else target
                    shutil.copytree(found, inner, dirs_exist_ok=True)
                else:
                    shutil.copy(found, target)

    def _command(self, job: str, step: Mapping[str, Any], context: dict[str, str]) -> int:
        self.before(job, step["name"], None)
        own = {**WORKFLOW["jobs"][job].get("env", {}), **step.get("env", {})}
        output = self.temporary(job) / f"output-{len(self.steps)}"
        output.touch()
        env = {
            **self.environment,
            "PATH": os.pathsep.join([str(self.programs), str(BIN), "/usr/local/bin", "/usr/bin", "/bin"]),
            "HOME": str(self.machine),
            "RUNNER_TEMP": str(self.temporary(job)),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md"),
            **{name: self._value(str(value), job, context) for name, value in own.items()},
        }
        started = time.monotonic()
        process = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.checkout(job), env=env, text=True, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.before(job, step["name"], process)
        try:
            log, _ = process.communicate(timeout=STEP_SECONDS)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
        code = 128 - process.returncode if process.returncode < 0 else process.returncode
        self.steps[job, step["name"]] = Ran(code, log, time.monotonic() - started)
        if "id" in step:
            for line in output.read_text(encoding="utf-8").splitlines():
                name, _, value = line.partition("=")
                context[f"steps.{step['id']}.outputs.{name}"] = value
        return code

    def _value(self, text: str, job: str, context: Mapping[str, str]) -> str:
        return evaluated(text, {**self._context(), **context, "runner.temp": str(self.temporary(job))})

    def _context(self) -> dict[str, str]:
        """What expressions may name, beyond the results of steps and jobs."""
        event = json.loads(Path(self.environment["GITHUB_EVENT_PATH"]).read_bytes())
        return {
            "github.token": TOKEN,
            "github.sha": self.environment["GITHUB_SHA"],
            "github.repository": self.environment["GITHUB_REPOSITORY"],
            "github.event_name": self.environment["GITHUB_EVENT_NAME"],
            **{f"vars.{name}": value for name, value in self.variables.items()},
            **_flat(event, "github.event"),
        }


def _flat(value: Any, name: str) -> dict[str, str]:
    if not isinstance(value, dict):
        return {name: str(value)}
    return {key: text for inner in value for key, text in _flat(value[inner], f"{name}.{inner}").items()}


def evaluated(text: str, context: Mapping[str, str]) -> str:
    """The text with each `${{ ... }}` in it replaced; a name that is not known is empty."""
    return re.sub(r"\$\{\{(.*?)\}\}", lambda found: str(_value_of(found[1], context)), text)


def holds(condition: str | None, context: Mapping[str, str], fine: bool) -> bool:
    """Whether a step or a job runs; `fine`: whether all before it were successful."""
    text = (condition or "").strip().removeprefix("${{").removesuffix("}}").strip()
    if "cancelled()" not in text and not fine:
        return False
    return bool(_value_of(text, context)) if text else True


def _value_of(expression: str, context: Mapping[str, str]) -> str | bool:
    """An expression of GitHub's: Python's with other words, of which the workflow uses these."""
    words = {"&&": "and", "||": "or", "!": "not", "==": "==", "!=": "!=", "(": "(", ")": ")", "cancelled()": "False"}
    tokens = re.findall(r"'[^']*'|&&|\|\||==|!=|!|cancelled\(\)|[()]|[\w.-]+", expression)
    assert "".join(tokens) == "".join(expression.split()), f"{expression!r} is not understood here"
    python = [words.get(t) or (t if t.startswith("'") else repr(context.get(t, ""))) for t in tokens]
    value: str | bool = eval(" ".join(python), {"__builtins__": {}})  # of the workflow in this repository
    return value

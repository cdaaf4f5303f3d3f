"""Run a workflow file with act, on this machine and without Docker, and say what each job and step did."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent
STAND_INS = Path(__file__).parent / "actions"
ACT_SECONDS = 240


@dataclass
class Job:
    """One job as act ran it; `result` is None where it never ran."""

    result: str | None = None
    steps: dict[str, str] = field(default_factory=dict)
    """Step name -> "success", "failure" or "skipped"."""
    said: dict[str, str] = field(default_factory=dict)
    """Step name -> what it printed."""


@dataclass(frozen=True)
class Run:
    """One run of a workflow."""

    exit_code: int
    jobs: dict[str, Job]
    log: str

    def job(self, name: str) -> Job:
        """The job of that id; one that never ran is empty."""
        return self.jobs.get(name, Job())

    def summaries(self, job: str) -> list[str]:
        """What the steps of a job wrote for the run's page."""
        entries = [entry for entry in _entries(self.log) if entry.get("command") == "summary"]
        return [entry["content"] for entry in entries if entry["jobID"] == job]

    def told(self) -> str:
        """How every step ended and the last of what it said, for a test that fails."""
        lines = []
        for name, job in self.jobs.items():
            lines.append(f"{name}: {job.result}")
            for step, result in job.steps.items():
                lines.append(f"  {step}: {result}")
                lines += [f"    {line[:300]}" for line in job.said.get(step, "").splitlines()[-8:]]
        return "\n".join(lines)


def run_workflow(
    checkout: Path,
    event_name: str,
    event: Mapping[str, Any],
    *,
    env: Mapping[str, str],
    secrets: Mapping[str, str],
    variables: Mapping[str, str],
    machine: Path,
    workflow: str = "continuous-training.yml",
) -> Run:
    """Execute a workflow of `checkout`. `machine` is a folder with all that outlives a job."""
    machine.mkdir(parents=True, exist_ok=True)
    event_file = machine / "event.json"
    event_file.write_text(json.dumps(event), encoding="utf-8")
    workflows = checkout / ".github" / "workflows"
    command = [str(BIN / "act"), event_name, "--json", "--no-cache-server", "--no-skip-checkout"]
    command += ["--concurrent-jobs", "1", "--eventpath", str(event_file), "--workflows", str(workflows / workflow)]
    command += ["--action-cache-path", str(machine / "act")]
    for label in ("ubuntu-latest", "self-hosted"):
        command += ["--platform", f"{label}=-self-hosted"]
    for kind in ("env", "var", "input"):
        command += [f"--{kind}-file", os.devnull]
    # On the command line every process of the machine could read them, other tests' too.
    secret_file = machine / "secrets.yaml"
    secret_file.write_text(json.dumps(dict(secrets)), encoding="utf-8")
    command += ["--secret-file", str(secret_file)]
    for name, folder in _stand_ins(workflows).items():
        command += ["--local-repository", f"{name}={folder}"]
    for flag, values in (("--env", env), ("--var", variables)):
        for name, value in values.items():
            command += [flag, f"{name}={value}"]
    # Nothing of the tests' own environment may reach a step.
    clean = {
        "PATH": os.pathsep.join([str(BIN), str(Path(shutil.which("git") or "git").parent), "/usr/bin", "/bin"]),
        "HOME": str(machine / "home"),
        "XDG_CACHE_HOME": str(machine / "home" / ".cache"),
        "LANG": "C.UTF-8",
    }
    Path(clean["HOME"]).mkdir(exist_ok=True)
    process = subprocess.Popen(
        command, cwd=checkout, env=clean, text=True, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        log, _ = process.communicate(timeout=ACT_SECONDS)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)  # the steps too: act alone would leave them running
        process.communicate()
        raise
    return Run(process.returncode, _jobs(log), log)


def _stand_ins(workflows: Path) -> dict[str, Path]:
    """Each remote action that the workflows name -> the folder that stands in for it."""
    texts = "".join(path.read_text(encoding="utf-8") for path in workflows.glob("*.yml"))
    found = re.findall(r"uses: (([\w-]+)/([\w-]+)@\S+)", texts)
    return {whole: STAND_INS / name for whole, _, name in found}


def _jobs(log: str) -> dict[str, Job]:
    jobs: dict[str, Job] = {}
    for entry in _entries(log):
        job = jobs.setdefault(entry["jobID"], Job())
        if "jobResult" in entry:
            job.result = entry["jobResult"]
        step = entry.get("step")
        if step and entry.get("stage", "Main") == "Main" and len(entry.get("stepID", [])) <= 1:
            if "stepResult" in entry:
                job.steps[step] = entry["stepResult"]
            if entry.get("raw_output"):
                job.said[step] = job.said.get(step, "") + entry["msg"]
    return jobs


def _entries(log: str) -> Iterator[dict[str, Any]]:
    for line in log.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and "jobID" in entry:
            yield entry

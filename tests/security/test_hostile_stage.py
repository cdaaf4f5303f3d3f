"""A pull request whose stages look for what they can carry off: what they find, and what they do not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pawl.actions.runs import unsay
from tests.security.job import FILES, ID_TOKEN, Job
from tests.support.repositories import TRAIN, branch, git, make_repository

TOKEN, LOGIN, TRACKING = "token-of-the-job", "login-of-the-job", "token-of-mlflow"
# What code that runs as the job's user can see of the processes above it.
LOOK = """
import json, os, pathlib
def environ(pid):
    try:
        items = pathlib.Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\\0")
    except OSError:
        return {}
    return dict(item.split("=", 1) for item in items if "=" in item)
def parent(pid):
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
above, pid = [], os.getppid()
for _ in range(4):
    above.append(environ(pid))
    pid = parent(pid)
"""
DUMP = (
    LOOK
    + """
found = [str(path) for path in pathlib.Path.cwd().parent.rglob("gha-creds-*")]
loot = {"own": dict(os.environ), "above": above, "logins": found, "folder": os.getcwd()}
with open(os.environ["LOOT"], "w") as out:
    json.dump(loot, out)
"""
)
SPEAK = (
    LOOK
    + """
for name in %r:
    for told in [dict(os.environ), *above]:
        if name in told and told.get("GITHUB_REPOSITORY") == "acme/ct":
            open(told[name], "a").write("PATH=/tmp/theirs\\n")
            open(os.environ["LOOT"], "a").write(name + "\\n")
            break
"""
)
DAEMON = """
import os, subprocess, sys
line = '''
import os, pathlib, sys, time
loot = pathlib.Path(sys.argv[1])
loot.write_text("waiting\\\\n")
for _ in range(600):
    for path in pathlib.Path("/proc").glob("[0-9]*/environ"):
        try:
            if b"MLFLOW_TRACKING_TOKEN=token-of-mlflow" in path.read_bytes():
                loot.write_text("found\\\\n")
        except OSError:
            pass
    time.sleep(0.05)
'''
command = [sys.executable, "-c", line, os.environ["LOOT"]]
# Twice forked, in a session of its own, with none of the variables by which it could be known.
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        os.execve(sys.executable, command, {"PATH": "/usr/bin:/bin"})
    os._exit(0)
import pathlib, time
while not pathlib.Path(os.environ["LOOT"]).exists():
    time.sleep(0.02)
"""


def job_of(tmp_path: Path, theirs: str, files: dict[str, str] | None = None) -> Job:
    """A pull request whose training begins with code of theirs."""
    ignored = {".gitignore": "runs.log\n.pawl/\nreports/\n__pycache__/\ngha-creds-*\n"}
    root = make_repository(tmp_path / "checkout", ignored)
    branch(root, "change", {"train.py": theirs + TRAIN, "params.yaml": "train:\n  rate: 2.0\n", **(files or {})})
    return Job(root, tmp_path / "job", environment={"LOOT": str(tmp_path / "loot")})


def pulled(job: Job) -> None:
    """The steps before Train, with what each is told; then the login is gone."""
    login = job.root / "gha-creds-0123456789abcdef.json"
    login.write_text(json.dumps({"type": "external_account", "secret": LOGIN}))
    job.ok("ci", "pull", told={"GITHUB_TOKEN": TOKEN, "GOOGLE_APPLICATION_CREDENTIALS": str(login)})
    subprocess.run(["bash", "-c", 'rm -f -- "$CREDENTIALS"'], env={"CREDENTIALS": str(login)}, check=True)


def test_a_stage_finds_no_login_no_token_and_no_secret(tmp_path: Path) -> None:
    job = job_of(tmp_path, DUMP)
    pulled(job)
    job.ok("ci", "train")
    loot: dict[str, Any] = json.loads((tmp_path / "loot").read_text())
    assert Path(loot["folder"]) == job.root
    assert loot["logins"] == []
    for secret in (TOKEN, LOGIN, TRACKING):
        assert secret not in json.dumps(loot)
    assert not [name for name in loot["own"] if name in FILES or name.startswith("ACTIONS_")]
    # Not defended, as docs/security.md says: what pawl itself is told is within reach, and so is the ID token of the
    # job. Therefore the step Train is told nothing, and the identity of a job that trains is the reader's.
    assert any(set(ID_TOKEN) <= set(seen) for seen in loot["above"])


def test_a_secret_that_a_step_were_told_would_not_reach_the_stage(tmp_path: Path) -> None:
    """Should somebody give the step Train a token, it still is not in a stage's own environment."""
    job = job_of(tmp_path, DUMP)
    pulled(job)
    job.ok("ci", "train", told={"GITHUB_TOKEN": TOKEN, "MLFLOW_TRACKING_TOKEN": TRACKING})
    loot = json.loads((tmp_path / "loot").read_text())
    assert TOKEN not in json.dumps(loot["own"])
    assert TRACKING not in json.dumps(loot["own"])


def test_what_a_stage_says_to_the_runner_program_is_not_heard(tmp_path: Path) -> None:
    """By GITHUB_ENV it could choose the programs that a later step with secrets starts."""
    job = job_of(tmp_path, SPEAK % (FILES,))
    pulled(job)
    job.ok("ci", "train")
    assert set((tmp_path / "loot").read_text().split()) == set(FILES)  # it did find and write them
    assert job.spoken("train") == dict.fromkeys(FILES, "")


@pytest.mark.parametrize("how", ["folder", "pipe", "link"])
def test_whatever_a_stage_put_there_is_gone(tmp_path: Path, how: str) -> None:
    path, other = tmp_path / "env", tmp_path / "other"
    other.write_text("theirs\n")
    if how == "folder":
        (path / "deep").mkdir(parents=True)
    elif how == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(other)
    unsay({"GITHUB_ENV": str(path)})
    assert path.read_text() == ""
    assert not path.is_symlink()


def test_what_a_failing_stage_says_is_not_heard_either(tmp_path: Path) -> None:
    job = job_of(tmp_path, SPEAK % (FILES,) + "raise SystemExit(1)\n")
    pulled(job)
    assert job.step("ci", "train").returncode == 3
    assert job.spoken("train") == dict.fromkeys(FILES, "")


def test_a_daemon_does_not_live_to_see_later_steps(tmp_path: Path) -> None:
    job = job_of(tmp_path, DAEMON)
    pulled(job)
    job.ok("ci", "train")
    loot = tmp_path / "loot"
    assert loot.read_text() == "waiting\n"
    tracking = {**os.environ, "MLFLOW_TRACKING_TOKEN": TRACKING}
    subprocess.run([sys.executable, "-c", "import time; time.sleep(1.5)"], env=tracking, check=True)
    time.sleep(0.1)
    assert loot.read_text() == "waiting\n"


@pytest.mark.parametrize("name", [".dvc/config.local", ".dvc/config", ".dvc/cache/files/md5/ab/cdef", ".dvc/tmp/btime"])
@pytest.mark.parametrize("step", ["plan", "pull"])
def test_a_branch_that_says_where_results_come_from_is_refused(tmp_path: Path, name: str, step: str) -> None:
    job = job_of(tmp_path, "")
    path = job.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("[core]\n    remote = theirs\n['remote \"theirs\"']\n    url = /tmp/theirs\n")
    git(job.root, "add", "--force", name)
    git(job.root, "commit", "--quiet", "--message", "Theirs")
    done = job.step("ci", step)
    assert done.returncode == 2
    assert name in done.stderr
    assert "Traceback" not in done.stderr
    assert not (job.root / "reports" / "plan.json").exists()


def test_a_fork_is_planned_and_never_trained_by_itself(tmp_path: Path) -> None:
    job = job_of(tmp_path, DUMP)
    job.event["pull_request"]["head"]["repo"] = {"full_name": "somebody/ct"}
    job.ok("ci", "decide", told={"GITHUB_TOKEN": TOKEN})
    told = dict(line.split("=", 1) for line in job.spoken("decide")["GITHUB_OUTPUT"].splitlines())
    assert (told["may_train"], told["trusted"], told["writes"], told["cache"]) == (
        "false", "false", "false", "pull-requests",
    )  # fmt: skip
    job.ok("ci", "plan", told={"GITHUB_TOKEN": TOKEN})
    assert job.spoken("plan")["GITHUB_OUTPUT"] == "train=false\n"
    assert not (tmp_path / "loot").exists()

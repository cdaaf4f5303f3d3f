"""Processes that run jobs in a checkout of their own, and what the jobs do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.tasks.checkouts import REPOSITORY

FUNCTIONS = '''
"""What the jobs of the tests do."""
import json, os, random, subprocess, sys, time
from pathlib import Path
from tasks.common.stage.errors import TaskError

def draw(root, arguments, out):
    (root / "calls.log").open("a").write(arguments["name"] + "\\n")
    rng = random.Random(arguments["seed"])
    print("drawing", arguments["name"], flush=True)
    (out / "values.json").write_text(json.dumps([rng.random() for _ in range(3)] + [arguments]))

def meet(root, arguments, out):
    """Ends only if another job is there at the same time."""
    (root / arguments["name"]).touch()
    while not (root / arguments["other"]).exists():
        time.sleep(0.02)

def alone(root, arguments, out):
    """Fails if another job is there at the same time."""
    (root / "busy").touch(exist_ok=False)
    time.sleep(0.2)
    (root / "busy").unlink()

def fail(root, arguments, out):
    if arguments["how"] == "task":
        raise TaskError("the rate is too high; lower it.")
    if arguments["how"] == "kill":
        os.kill(os.getpid(), 9)
    if arguments["how"] == "silent":
        sys.stdout.flush()
        os._exit(0)
    raise ValueError("boom")

def fail_once(root, arguments, out):
    (out / "half").touch()
    if not (root / "second").exists():
        raise ValueError("once")

def linger_once(root, arguments, out):
    """Never ends the first time; the second time it says whether the first is still there."""
    first = root / f"pids-{arguments['name']}"
    (out / f"half-{os.getpid()}").touch()
    if not first.exists():
        first.write_text(str(os.getpid()))
        time.sleep(600)
    stat = Path("/proc", first.read_text(), "stat")
    is_there = stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"
    (out / "first-is-there").write_text(str(is_there))

def pause(root, arguments, out):
    """Ends when it is allowed to."""
    (root / "calls.log").open("a").write(arguments["name"] + "\\n")
    (root / f"pids-{arguments['name']}").write_text(str(os.getpid()))
    while not (root / "go").exists():
        time.sleep(0.05)
    (out / "values.json").write_text("[]")

def surroundings(root, arguments, out):
    """What the process has around it."""
    (out / "environment.json").write_text(json.dumps(dict(os.environ)))
    if "SLURM_JOB_ID" in os.environ:
        words = ["squeue", "--noheader", "--jobs", os.environ["SLURM_JOB_ID"], "--format", "%P %l %C"]
        (out / "squeue").write_text(subprocess.run(words, capture_output=True, text=True).stdout)

def linger(root, arguments, out):
    """Never ends, and has a child that never ends; both are named in files."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (root / f"pids-{arguments['name']}").write_text(f"{os.getpid()} {child.pid}")
    time.sleep(600)

def fail_beside(root, arguments, out):
    """Fails once the job that is named lingers."""
    file = root / f"pids-{arguments['name']}"
    while not (file.exists() and file.read_text()):
        time.sleep(0.02)
    raise TaskError("enough.")

def card(root, arguments, out):
    (out / "card").write_text(os.environ.get("CUDA_VISIBLE_DEVICES", "none"))
    meet(root, arguments, out)
'''

DRIVER = """
import importlib, json, sys
from pathlib import Path
from tasks.common.learning.jobs import Job, attempt_jobs, run_jobs
from tasks.common.stage.errors import TaskError
asked = json.loads(sys.argv[1])
for dotted, value in asked["settings"].items():
    module, _, name = dotted.partition(".")
    setattr(importlib.import_module(f"tasks.common.learning.executors.{module}"), name, value)
jobs = [Job(name, f"tasks.demo:{function}", arguments) for name, function, arguments in asked["jobs"]]
root = Path.cwd()
call = attempt_jobs if asked["attempt"] else run_jobs
options = {name: asked[name] for name in ("executor", "workers")}
try:
    done = call(jobs, root / asked["folder"], root=root, label="demo", **options)
    print(json.dumps([str(item if not asked["attempt"] else item.error) for item in done]))
except TaskError as error:
    print(json.dumps(f"TaskError: {error}"))
    # Needs all workers at once, and so none that is still busy.
    after = [Job(f"after-{n}", "tasks.demo:meet", {"name": f"x{n}", "other": f"x{1 - n}"}) for n in (0, 1)]
    if asked["goes_on"]:
        run_jobs(after, root / asked["folder"], root=root, label="after", **options)
"""


LINGER_AND_FAIL = [["a", "linger", {"name": "a"}], ["bad", "fail_beside", {"name": "a"}]]


def make_checkout(root: Path) -> Path:
    """A root with the package tasks, of which the one task is the module of these functions."""
    source = root / "src/tasks"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / "src/tasks/common", source / "common", ignore=ignore)
    (source / "__init__.py").write_text('"""Tasks."""\n')
    (source / "demo.py").write_text(FUNCTIONS)
    return root


def words(
    jobs: list[Any],
    executor: str = "local",
    workers: int = 2,
    attempt: bool = False,
    settings: Mapping[str, Any] | None = None,
    goes_on: bool = False,
) -> list[str]:
    """The command of a process that runs the jobs [name, function, arguments] in the folder jobs-<executor>.

    settings: constants of modules of the package executors, such as `slurm_jobs.CLUSTER`. goes_on: whether two more
    jobs, which have to run side by side, follow where these fail.
    """
    asked = {
        "jobs": jobs,
        "folder": f"jobs-{executor}",
        "executor": executor,
        "workers": workers,
        "attempt": attempt,
        "settings": dict(settings or {}),
        "goes_on": goes_on,
    }
    return [sys.executable, "-c", DRIVER, json.dumps(asked)]


def environment_of(checkout: Path, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """What that process needs."""
    return {**os.environ, "PYTHONPATH": str(checkout / "src"), **(environment or {})}


def drive(
    checkout: Path, jobs: list[Any], environment: Mapping[str, str] | None = None, **options: Any
) -> tuple[Any, str]:
    """What run_jobs gave, and what was printed on standard error."""
    env = environment_of(checkout, environment)
    done = subprocess.run(words(jobs, **options), cwd=checkout, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def files_of(folder: Path) -> dict[str, bytes]:
    """The content of every file but the logs, by its path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "log.txt"
    }


def draws(*names: str) -> list[Any]:
    """A job of each name that draws numbers."""
    return [[name, "draw", {"name": name, "seed": number}] for number, name in enumerate(names)]


def is_running(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait_until(condition: Callable[[], bool]) -> None:
    """Up to a minute; an assertion fails then."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "did not happen"
        time.sleep(0.05)

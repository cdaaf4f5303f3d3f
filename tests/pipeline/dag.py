"""Repositories of many small stages that meet, record and wait through files, and running them several at once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pawl.schema import Stages
from pawl.session import Choices, open_session
from pawl.steps import plan_step, reproduce_step
from tests.support.repositories import make_repository

# Under `at/`, which git ignores. A stage that waits in vain fails, so nothing here depends on how fast a machine is.
STEP = """
import os, pathlib, signal, subprocess, sys, time
name, out = sys.argv[1:3]
at = pathlib.Path("at")


def touch(mark):
    (at / mark).write_text(str(os.getpid()))


def wait_for(mark):
    end = time.monotonic() + 60
    while not (at / mark).exists():
        if time.monotonic() > end:
            sys.exit(f"{name} waited for {mark} in vain")
        time.sleep(0.01)


def hold_one_of(*marks):
    for mark in marks:
        try:
            os.mkdir(at / mark)
        except FileExistsError:
            continue
        time.sleep(0.1)
        os.rmdir(at / mark)
        return
    sys.exit(f"others hold all of {marks}")


def hang(deaf=False):
    if deaf:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    pathlib.Path(out).write_text("half")
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (at / "new").mkdir(exist_ok=True)
    (at / "new" / name).write_text(f"{os.getpid()} {child.pid}")
    os.rename(at / "new" / name, at / f"{name}.pids")
    time.sleep(600)


with open(at / "runs.log", "a") as log:
    log.write(name + "\\n")
for action in sys.argv[3:]:
    exec(action)
pathlib.Path(out).write_text(name)
"""


def stage(name: str, *actions: str, after: Sequence[str] = (), out: str | None = None) -> dict[str, Any]:
    """A stage that does `actions`, Python that may use the functions of STEP, and writes its name to `out`."""
    out = out or f"{name}.txt"
    quoted = " ".join(f"'{action}'" for action in actions)
    return {
        "cmd": f"python step.py {name} {out} {quoted}".rstrip(),
        "deps": ["step.py", *(f"{other}.txt" for other in after)],
        "outs": [out],
    }


def make_dag(root: Path, stages: Mapping[str, dict[str, Any]], files: Mapping[str, str] | None = None) -> Path:
    """A repository with these stages, committed on main; nothing has run."""
    pipeline = {
        "dvc.yaml": json.dumps({"stages": stages}),  # which is YAML too
        "step.py": STEP,
        ".gitignore": "/at\n.pawl/\nreports/\n",
        "at/.keep": "",
    }
    return make_repository(root, pipeline | dict(files or {}))


def reproduce_all(
    root: Path, jobs: int, say: Callable[[str], None] = lambda _: None, *, force: bool = False, **choices: Any
) -> Stages:
    """Every stage of the repository at `root`, up to `jobs` at once, in this process."""
    session = open_session(Choices(root.absolute(), **choices))
    plan, head_looks, base_looks = plan_step(session, everything=True, force=force)
    return reproduce_step(session, plan, head_looks, base_looks, say, jobs=jobs)


def outcomes(stages: Stages) -> dict[str, str]:
    """Stage name -> what became of it, for head."""
    return {stage.name: stage.outcome for stage in stages.stages if stage.side == "head"}


def runs(root: Path) -> list[str]:
    """The stages that really ran there, in the order they began."""
    log = root / "at" / "runs.log"
    return log.read_text().split() if log.exists() else []


def alive(pid: int) -> bool:
    """Whether the process is there and not only waits to be waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    """Come back when the condition holds; the test fails where it never does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)

"""Folds, seeds and trials side by side: each job is a JSON file in and a folder of files out, in its own process.

`FOLDER/<name>/` holds task.json (what is to be done, and its digest), out/ (what the job wrote), log.txt (what its
process printed) and done.json (the digest again, written last). Nothing is shared in memory, so whatever runs
`python -m tasks.common.learning.jobs FOLDER/<name>`, on this machine or another, makes the same files.
"""

from __future__ import annotations

import fcntl
import importlib
import json
import os
import re
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tasks.common.data.manifest import content_digest
from tasks.common.learning.executors.node import LOCK
from tasks.common.stage.errors import EXIT_INPUT, TaskError
from tasks.common.stage.files import read_json, write_json
from tasks.common.stage.progress import say

Executor = Literal["inline", "local", "ray", "slurm"]

_FUNCTION = re.compile(r"tasks(\.[A-Za-z_]\w*)+:[A-Za-z_]\w*", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)


@dataclass(frozen=True)
class Job:
    """One task of its own."""

    name: str
    """Its folder: letters, digits, dots, dashes and underscores."""
    function: str
    """`tasks.x.y:run`, a function `run(root: Path, arguments: dict[str, Any], out: Path) -> None`."""
    arguments: Mapping[str, Any]
    """JSON values. What the result depends on must be among them or in the name of the folder of all jobs."""


@dataclass(frozen=True)
class Outcome:
    """What became of a job: `out` holds its files if `error`, a sentence, is None."""

    out: Path
    error: str | None


def run_jobs(
    jobs: Sequence[Job], folder: Path, *, root: Path, executor: Executor, workers: int, label: str
) -> list[Path]:
    """The folder that each job wrote, in the order of the jobs; one that was done before is not run again.

    folder: where the jobs' folders are. root: the repository, which is also the working folder. executor: `local` runs
    `workers` processes at once, `ray` and `slurm` as many on the nodes of a cluster, `inline` one job after the other
    here; the files are the same. The first failure ends the other jobs and raises TaskError; so does an interruption,
    without the error.
    """
    outcomes = attempt_jobs(
        jobs, folder, root=root, executor=executor, workers=workers, label=label, stop_at_failure=True
    )
    for outcome in outcomes:
        if outcome.error:
            raise TaskError(outcome.error)
    return [outcome.out for outcome in outcomes]


def attempt_jobs(
    jobs: Sequence[Job],
    folder: Path,
    *,
    root: Path,
    executor: Executor,
    workers: int,
    label: str,
    stop_at_failure: bool = False,
) -> list[Outcome]:
    """As run_jobs, but a failure is told in its job's outcome and leaves the other jobs alone.

    With `stop_at_failure`, jobs that another's failure kept from their end have no outcome. Raises ValueError for a
    name or function that cannot be.
    """
    _check(jobs)
    folder, root = folder.resolve(), root.resolve()
    digests = [job_digest(job) for job in jobs]
    waiting = [job for job, digest in zip(jobs, digests, strict=True) if not _is_done(folder / job.name, digest)]
    if len(waiting) < len(jobs):
        say(f"{label}: {len(jobs) - len(waiting)} of {len(jobs)} jobs were done before")
    for job in waiting:
        _write_task(folder / job.name, job, root)
    names = [job.name for job in waiting]
    errors = _run(executor, names, folder, root=root, workers=workers, label=label, stop_at_failure=stop_at_failure)
    outcomes = []
    for job, digest in zip(jobs, digests, strict=True):
        error = errors.get(job.name)
        if _is_done(folder / job.name, digest):
            error = None
        elif error is None and errors and stop_at_failure:
            continue
        elif error is None:
            error = "ended without writing its result"
        outcomes.append(Outcome(folder / job.name / "out", f"{label}: {job.name}: {error}" if error else None))
    return outcomes


def job_digest(job: Job) -> str:
    """SHA-256 of the job's function and arguments, whatever the order of their keys: 64 hexadecimal digits."""
    return content_digest(job.function.encode(), _json(job).encode())


def run_folder(folder: Path) -> None:
    """Do what `folder/task.json` says, and write `folder/done.json` at the end. Raises TaskError."""
    task = read_json(folder / "task.json", "that made the jobs")
    if not _FUNCTION.fullmatch(task["function"]):
        raise TaskError(
            f'{folder / "task.json"}: "{task["function"]}" is no function of the package tasks; correct it.'
        )
    (folder / "done.json").unlink(missing_ok=True)
    out = folder / "out"
    if out.exists():
        # Half of a result of a run that was ended.
        shutil.rmtree(out)
    out.mkdir(parents=True)
    module, _, name = task["function"].partition(":")
    getattr(importlib.import_module(module), name)(Path(task["root"]), task["arguments"], out)
    write_json(folder / "done.json", {"digest": task["digest"]})


def main(arguments: Sequence[str]) -> int:
    """`python -m tasks.common.learning.jobs FOLDER [--end-with-standard-input] [--one-at-a-time]`; the exit code.

    `--one-at-a-time` waits while another process, wherever it is, does the same job, and takes its result.
    """
    if "--end-with-standard-input" in arguments:
        threading.Thread(target=_end_with_standard_input, daemon=True).start()
    folder = Path(arguments[0])
    try:
        if "--one-at-a-time" in arguments:
            _wait_for_others(folder)
            if _is_done(folder, read_json(folder / "task.json", "that made the jobs")["digest"]):
                return 0
        run_folder(folder)
    except TaskError as error:
        say(f"error: {error}")
        return EXIT_INPUT
    return 0


def _check(jobs: Sequence[Job]) -> None:
    names = [job.name for job in jobs]
    for job in jobs:
        if not _NAME.fullmatch(job.name) or names.count(job.name) > 1:
            raise ValueError(f'"{job.name}" cannot be the name of one job')
        if not _FUNCTION.fullmatch(job.function):
            raise ValueError(f'"{job.function}" is no function of the package tasks')


def _json(job: Job) -> str:
    return json.dumps(dict(job.arguments), sort_keys=True, allow_nan=False)


def _write_task(folder: Path, job: Job, root: Path) -> None:
    (folder / "done.json").unlink(missing_ok=True)
    write_json(
        folder / "task.json",
        {
            "function": job.function,
            "arguments": json.loads(_json(job)),
            "digest": job_digest(job),
            "root": str(root),
        },
    )


def _is_done(folder: Path, digest: str) -> bool:
    try:
        return bool(json.loads((folder / "done.json").read_text(encoding="utf-8"))["digest"] == digest)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _run(executor: Executor, names: Sequence[str], folder: Path, **options: Any) -> dict[str, str]:
    # What a cluster needs is imported where one is chosen.
    if executor == "local":
        from tasks.common.learning.job_processes import run_processes as run
    elif executor == "ray":
        from tasks.common.learning.executors.ray_jobs import run_on_ray as run
    elif executor == "slurm":
        from tasks.common.learning.executors.slurm_jobs import run_on_slurm as run
    else:
        run = _run_inline
    return run(names, folder, **options) if names else {}


def _run_inline(
    names: Sequence[str], folder: Path, *, root: Path, workers: int, label: str, stop_at_failure: bool
) -> dict[str, str]:
    errors: dict[str, str] = {}
    for number, name in enumerate(names, 1):
        say(f"{label}: {name} ({number} of {len(names)})")
        try:
            run_folder(folder / name)
        except TaskError as error:
            errors[name] = str(error)
        except Exception as error:
            # What a process of its own would leave: its traceback, and the other jobs unharmed.
            traceback.print_exc()
            errors[name] = f"{type(error).__name__}: {error}".strip()
        if stop_at_failure and errors:
            break
    return errors


def _wait_for_others(folder: Path) -> None:
    """Hold the job's lock until this process ends; where the file system knows none, there is nothing to wait for."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with suppress(OSError):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waits for a process of an earlier run that is still at work on this job")
            fcntl.flock(descriptor, fcntl.LOCK_EX)


def _end_with_standard_input() -> None:
    # The other end is held by the process that started this one: however that ends, it is closed.
    while os.read(0, 1):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`slurm`: each job is one of Slurm's, submitted with sbatch, https://slurm.schedmd.com/sbatch.html.

What a job gets is set by the variables that sbatch reads: SBATCH_PARTITION, SBATCH_TIMELIMIT, SBATCH_GPUS and so on.
For the number of CPUs it has none: SLURM_CPUS_PER_TASK is read here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasks.common.learning.executors import node
from tasks.common.learning.executors.remote import TICK_SECONDS, RemoteJob, look_again
from tasks.common.learning.executors.turns import take_turns
from tasks.common.stage.errors import TaskError
from tasks.common.stage.progress import say

# Of submitit: `local` has the same files without Slurm.
CLUSTER = "slurm"
QUEUE_SECONDS = 10.0
"""How often Slurm is asked for the jobs that have left no result."""
_CPUS = "SLURM_CPUS_PER_TASK"
_OVER = frozenset(
    ("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "TIMEOUT")
)
_UNKNOWN = "not known to Slurm any more"
# In how many answers a job must have ended, for its result may still be on its way through the file system.
_ANSWERS, _ANSWERS_OF_A_GOOD_END = 2, 6


class _SlurmJob:
    """A job that Slurm was given."""

    def __init__(self, name: str, folder: Path, root: Path, queue: _Queue, cpus: int | None) -> None:
        self.name = name
        self.remote = RemoteJob(name, folder, root)
        self._queue = queue
        self._own = folder / "slurm"
        self.submitted = _submit(self._own, name, self.remote, cpus)
        self._state = ""
        queue.add(self.id)

    @property
    def id(self) -> str:
        return str(self.submitted.job_id)

    def is_over(self) -> bool:
        self.remote.follow()
        if self.submitted.paths.result_pickle.exists():
            return True
        self._state = self._queue.end_of(self.id)
        if self._state:
            look_again(self._own)
        return bool(self._state)

    def error(self) -> str | None:
        self._queue.drop(self.id)
        if not self.submitted.paths.result_pickle.exists():
            return self.remote.lost(f"Slurm's job {self.id} is {self._state}{self._said()}")
        problem = self.submitted.exception()
        if problem is not None:
            return self.remote.lost(f"Slurm's job {self.id} failed ({_last_line(str(problem))})")
        error = self.remote.finish(self.submitted.result())
        # What the job has to say is in its log.
        shutil.rmtree(self._own, ignore_errors=True)
        return error

    def _said(self) -> str:
        """What Slurm wrote into the job's own files, which the job does not write into."""
        errors = self.submitted.paths.stderr
        last = _last_line(errors.read_text(errors="replace")) if errors.exists() else ""
        if last or self._state != "FAILED":
            return f" ({last})" if last else ""
        return f", and it wrote nothing: see whether its node has {self._own}"


class _Queue:
    """What Slurm says about jobs; it is asked for all at once, and seldom."""

    def __init__(self) -> None:
        self._states: dict[str, str] = {}
        self._ends: dict[str, int] = {}
        self._asked_seconds = time.monotonic()

    def add(self, job_id: str) -> None:
        """Ask for this job too."""
        self._states[job_id], self._ends[job_id] = "PENDING", 0

    def drop(self, job_id: str) -> None:
        """Ask for it no more."""
        del self._states[job_id], self._ends[job_id]

    def end_of(self, job_id: str) -> str:
        """The state that the job has ended in, empty where it has not or has only just."""
        if time.monotonic() - self._asked_seconds >= QUEUE_SECONDS:
            for known, state in _states_of([*self._states]).items():
                self._states[known] = state
                self._ends[known] = self._ends[known] + 1 if state in (*_OVER, _UNKNOWN) else 0
            self._asked_seconds = time.monotonic()
        state = self._states[job_id]
        enough = _ANSWERS_OF_A_GOOD_END if state in ("COMPLETED", _UNKNOWN) else _ANSWERS
        return state if self._ends[job_id] >= enough else ""


def run_on_slurm(
    names: Sequence[str], folder: Path, *, root: Path, workers: int, label: str, stop_at_failure: bool
) -> dict[str, str]:
    """See the package. Raises TaskError where there is no Slurm, or where it refuses the jobs.

    Where this process is killed, what it had submitted goes on: its results count the next time.
    """
    _check()
    queue, cpus = _Queue(), _cpus()

    def start(name: str, slot: int) -> _SlurmJob:
        return _SlurmJob(name, folder / name, root, queue, cpus)

    return take_turns(
        names,
        start,
        _end,
        workers=workers,
        label=label,
        stop_at_failure=stop_at_failure,
        tick_seconds=TICK_SECONDS,
    )


def _end(jobs: Sequence[_SlurmJob]) -> None:
    for job in jobs:
        job.remote.forget()
        job.submitted.cancel(check=False)


def _check() -> None:
    try:
        import submitit  # noqa: F401
    except ImportError:
        raise TaskError(
            "submitit is not installed here; run `pip install .[slurm]`, or choose the executor local."
        ) from None
    missing = [command for command in ("sbatch", "srun", "squeue", "scancel") if not shutil.which(command)]
    if CLUSTER == "slurm" and missing:
        raise TaskError(
            f"there is no {missing[0]} here; run this where jobs are submitted to Slurm, or choose the executor local."
        )


def _submit(folder: Path, name: str, remote: RemoteJob, cpus: int | None) -> Any:
    import cloudpickle  # type: ignore[import-untyped, import-not-found, unused-ignore]
    import submitit

    # What a node is sent is the module itself: it may not see the checkout, and should say so.
    cloudpickle.register_pickle_by_value(node)
    if CLUSTER == "slurm":
        executor = submitit.SlurmExecutor(folder)
        # Left to itself, submitit asks for 5 minutes, and for a key of accounting that a cluster may not know.
        executor.update_parameters(job_name=name, cpus_per_task=cpus, use_srun=False, time=None, wckey=None)
    else:
        executor = submitit.AutoExecutor(folder, cluster=CLUSTER)
    try:
        return executor.submit(node.run_on_this_node, remote.order())
    except Exception as error:
        remote.forget()
        raise TaskError(
            f"sbatch does not take the job {name} ({_last_line(str(error))}); correct the variables SBATCH_*."
        ) from None


def _cpus() -> int | None:
    text = os.environ.get(_CPUS)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise TaskError(f'{_CPUS} is "{text}"; set it to a whole number of CPUs for each job, or leave it out.')
    return int(text)


def _states_of(job_ids: Sequence[str]) -> dict[str, str]:
    """The state of each job as squeue has it; none where Slurm does not answer."""
    if CLUSTER != "slurm":
        return {}
    command = ["squeue", "--noheader", "--states=all", f"--jobs={','.join(job_ids)}", "--format=%i %T"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0 and "Invalid job id" not in done.stderr:
        say(f"Slurm does not answer ({_last_line(done.stderr)}); its jobs go on")
        return {}
    lines = [line.split() for line in done.stdout.splitlines()]
    found = {words[0]: words[1] for words in lines if len(words) == 2}
    return {job_id: found.get(job_id, _UNKNOWN) for job_id in job_ids}


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else ""

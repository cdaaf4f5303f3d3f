"""Which commands may run at the same time: each has its cores and its GPUs to itself while it runs."""

from __future__ import annotations

import os
import threading
from bisect import insort
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from pawl.config import Resources

_T = TypeVar("_T")
MOST_JOBS_BY_DEFAULT = 8
Gpus = tuple[str, ...]


def default_jobs() -> int:
    """The cores that this process may use, at most 8."""
    return min(len(os.sched_getaffinity(0)), MOST_JOBS_BY_DEFAULT)


@dataclass(frozen=True)
class Need:
    """What one command holds while it runs."""

    cpus: int
    gpus: int


def need_of(wanted: Resources, jobs: int, gpus: int) -> tuple[Need, str]:
    """What a stage is given where there are `jobs` cores and `gpus` GPUs, and, if that is less than wanted, a remark.

    Where nothing is said about GPUs: one, because two trainings that nobody knows may not fit on one card; with a
    single job, at the side of which nothing runs, all.
    """
    unsaid = gpus if jobs == 1 else min(1, gpus)
    need = Need(min(wanted.cpus, jobs), unsaid if wanted.gpus is None else min(wanted.gpus, gpus))
    short = []
    if wanted.gpus is not None and need.gpus < wanted.gpus and gpus:
        short.append(f"{wanted.gpus} GPUs of {gpus}")
    if need.cpus < wanted.cpus and jobs > 1:
        short.append(f"{wanted.cpus} cpus of {jobs} jobs")
    return need, f"wants {' and '.join(short)}, and is given what there is" if short else ""


class Shares:
    """Who may have what now; knows nothing of threads.

    The most urgent requests are served first, equally urgent ones in their order, but one for which something is still
    lacking only holds back those behind it that want some of the same: so nothing idles for it that it has no use for
    yet, and since every request has at least one core, those that pass it can never use up what it waits for for ever.
    """

    def __init__(self, cpus: int, gpus: Gpus) -> None:
        self._gpus = gpus
        self._free_cpus = cpus
        self._free_gpus = list(gpus)
        self._waiting: list[tuple[Need, Any, float]] = []

    def ask(self, need: Need, who: Any, urgency: float = 0.0) -> None:
        """Put a request behind all that are as urgent; it must be for at least one core, and no more than there is."""
        insort(self._waiting, (need, who, urgency), key=lambda request: -request[2])

    def give_back(self, need: Need, gpus: Gpus) -> None:
        """Return what `grant` gave."""
        self._free_cpus += need.cpus
        self._free_gpus = sorted([*self._free_gpus, *gpus], key=self._gpus.index)

    def grant(self) -> list[tuple[Need, Any, Gpus]]:
        """The requests that are served now, each with the GPUs it has; they are no longer in the line."""
        granted, waiting = [], []
        cpus_kept = gpus_kept = False
        for need, who, urgency in self._waiting:
            no_cpus = need.cpus > self._free_cpus
            no_gpus = need.gpus > len(self._free_gpus)
            if no_cpus or no_gpus or cpus_kept or (gpus_kept and need.gpus):
                cpus_kept, gpus_kept = cpus_kept or no_cpus, gpus_kept or no_gpus
                waiting.append((need, who, urgency))
                continue
            given = tuple(self._free_gpus[: need.gpus])
            self._free_gpus = self._free_gpus[need.gpus :]
            self._free_cpus -= need.cpus
            granted.append((need, who, given))
        self._waiting = waiting
        return granted


@dataclass(frozen=True)
class _Job:
    function: Callable[[Gpus], Any]
    future: Future[Any]


class Pool:
    """Calls functions in threads of their own, each as soon as it has the cores and GPUs that it needs.

    `stopped` is set when all have to end: a function must look at it and then raise soon.
    """

    def __init__(self, cpus: int, gpus: Gpus) -> None:
        self.cpus = cpus
        self.gpus = gpus
        self.stopped = threading.Event()
        self._shares = Shares(cpus, gpus)
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()

    def submit(self, need: Need, function: Callable[[Gpus], _T], urgency: float = 0.0) -> Future[_T]:
        """The result to come of `function(gpus)`, which is given the GPUs that are its own while it runs.

        Of those that wait for room the one with the highest `urgency` goes first.
        """
        future: Future[_T] = Future()
        with self._lock:
            self._shares.ask(need, _Job(function, future), urgency)
            self._start()
        return future

    def stop(self) -> None:
        """Start nothing any more, and wait until nothing runs; the results that were to come never come."""
        self.stopped.set()
        with self._lock:
            running = list(self._threads)
        for thread in running:
            thread.join()

    def _start(self) -> None:
        if self.stopped.is_set():
            return
        for need, job, gpus in self._shares.grant():
            thread = threading.Thread(target=self._work, args=(need, job, gpus))
            self._threads.add(thread)
            thread.start()

    def _work(self, need: Need, job: _Job, gpus: Gpus) -> None:
        result, problem = None, None
        try:
            result = job.function(gpus)
        except BaseException as error:
            problem = error
        # First the next command, then the result: who waits for that may be busy hashing for a while.
        with self._lock:
            self._threads.discard(threading.current_thread())
            self._shares.give_back(need, gpus)
            self._start()
        if problem is None:
            job.future.set_result(result)
        else:
            job.future.set_exception(problem)

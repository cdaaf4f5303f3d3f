"""Orders carried out by the machines of a Ray cluster.

Each is a task that streams what its stage prints. Ray finds the machine that has the resources free; what happens when
that machine dies, is full or stands still is decided here, because Ray would only begin the same again.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Any

from pawl.config import Resources
from pawl.errors import InputError, ServiceError
from pawl.pipeline.command import StoppedError
from pawl.pipeline.progress import in_words
from pawl.pipeline.project import one_line
from pawl.pipeline.resources import Need, Pool, need_of
from pawl.scaling.fleet import Fleet
from pawl.scaling.orders import Answer, Made, Order
from pawl.scaling.source import Source
from pawl.waiting import patience_seconds, within

_LOOPBACK = ("127.0.0.1", "localhost")
_TRIES = 3
_POLL_SECONDS = 0.5
_WAITING_SECONDS = 30.0
_BATCH_SECONDS = 0.2
_INSTALL = "Ray is not installed: pip install 'pawl[ray]', or -r requirements-cluster.txt."


@contextmanager
def ray_fleet(address: str | None, at_once: int) -> Iterator[Fleet]:
    """The cluster at `address`, else at RAY_ADDRESS, connected while the block runs."""
    address = address or os.environ.get("RAY_ADDRESS")
    if not address:
        raise InputError("no cluster is named: give --address HOST:PORT, or set RAY_ADDRESS.")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if _is_kept_to_loopback(address):
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # Ray reads it when it is imported
    try:
        import ray
    except ImportError:
        raise InputError(_INSTALL) from None
    try:
        within(patience_seconds(), lambda: _connect(ray, address))
    except Exception as error:
        raise ServiceError(
            f"the Ray cluster at {address} does not take part: {one_line(error)}. Check its address, that it runs, "
            "that Ray and Python are the same there as here, and RAY_AUTH_MODE=token with RAY_AUTH_TOKEN_PATH."
        ) from error
    fleet = _RayFleet(ray, Pool(at_once, ()))
    try:
        with redirect_stdout(sys.stderr):  # where Ray tells of dead machines; standard output is for results
            yield fleet
    finally:
        fleet.pool.stop()
        with suppress(Exception):
            ray.shutdown()


def _is_kept_to_loopback(address: str) -> bool:
    """Whether the cluster is on this machine and nobody else can reach it.

    Ray takes the machine's own address for 127.0.0.1 otherwise, and would wait there in vain.
    """
    host, _, port = address.rpartition(":")
    if host not in _LOOPBACK or not port.isdecimal():
        return False
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nothing_is_sent:
            nothing_is_sent.connect(("8.8.8.8", 80))
            own = nothing_is_sent.getsockname()[0]
        socket.create_connection((own, int(port)), timeout=_POLL_SECONDS).close()
    except (OSError, OverflowError):
        return True
    return False


def _connect(ray: Any, address: str) -> None:
    logging.getLogger("ray").setLevel(logging.ERROR)
    # A driver looks for its own node at the address by which this machine is known elsewhere, and waits for it.
    here = {"_node_ip_address": "127.0.0.1"} if address.rpartition(":")[0] in _LOOPBACK else {}
    ray.init(address=address, log_to_driver=False, logging_level="error", configure_logging=False, **here)


@dataclass
class _Attempt:
    """An order under way; a machine is known from its first answer on."""

    answers: Any
    """Ray's generator of references to lists of answers."""
    wanted: str
    begun: float = field(default_factory=time.monotonic)
    heard: float | None = None
    """When the machine said something last, by the monotonic clock in seconds."""
    node: str = ""
    made: Made | None = None
    told: bool = False
    """Whether people were told that it waits."""

    def hear(self, node: str, answers: list[str]) -> list[str]:
        """Take what the machine said; the lines that the stage printed."""
        self.node, self.heard = node, time.monotonic()
        lines: list[str] = []
        for answer in (Answer.model_validate_json(text) for text in answers):
            lines += answer.lines
            self.made = answer.made or self.made
        return lines

    def remark(self) -> str:
        """What there is to say, once, of an order that no machine has begun."""
        if self.heard or self.told or time.monotonic() - self.begun < _WAITING_SECONDS:
            return ""
        self.told = True
        return f"[pawl] waits for a machine with {self.wanted} free"

    def silent_seconds(self) -> float:
        """How long the machine has said nothing."""
        return time.monotonic() - self.heard if self.heard else 0.0


class _RayFleet:
    def __init__(self, ray: Any, pool: Pool) -> None:
        self.pool = pool
        self._ray = ray
        self._task = ray.remote(_carry_out)
        self._sources: dict[str, Any] = {}
        self._lock = Lock()
        has = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        # Once for all: a stage must not train without a GPU because the machine that has it was lost meanwhile.
        self._largest = tuple(int(max((node.get(kind, 0) for node in has), default=0)) for kind in ("CPU", "GPU"))

    def make(self, order: Order, source: Source, want: Resources, line: Callable[[str], None], stop: Event) -> Made:
        avoid: list[str] = []
        need, remark = self._need(want)
        if remark:
            line(f"[pawl] {remark}")
        for number in range(1, _TRIES + 1):
            attempt = self._begin(order, source, need, want.memory_gb, avoid)
            try:
                made = self._follow(attempt, line, stop)
            except StoppedError:
                self._cancel(attempt)
                raise
            if not made.trouble:
                return made
            avoid.append(attempt.node)
            if number < _TRIES:
                line(f"[pawl] {attempt.node[:8] or 'a machine'}: {made.trouble}; another one begins anew")
        return made

    def _need(self, want: Resources) -> tuple[Need, str]:
        """What the stage is given, as on a machine with as much as the largest ones have; and a remark if it lacks."""
        cpus, gpus = self._largest
        return need_of(want, max(cpus, 1), gpus)

    def _begin(self, order: Order, source: Source, need: Need, memory_gb: float | None, avoid: list[str]) -> _Attempt:
        options: dict[str, Any] = {"num_cpus": need.cpus, "num_gpus": need.gpus, "max_retries": 0}
        wanted = f"{need.cpus} CPU" + (f", {need.gpus} GPU" if need.gpus else "")
        if memory_gb is not None:
            options["memory"] = int(memory_gb * 1e9)
            wanted += f", {memory_gb:g} GB"
        other = self._another(need, avoid)
        if other:
            from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

            options["scheduling_strategy"] = NodeAffinitySchedulingStrategy(other, soft=True)
        told = order.model_copy(update={"cpus": need.cpus})
        answers = self._task.options(**options).remote(told.model_dump_json(), self._put(source))
        return _Attempt(answers, wanted)

    def _another(self, need: Need, avoid: list[str]) -> str | None:
        """A living machine that would do and has not been tried, after one was in trouble."""
        for node in self._ray.nodes() if avoid else ():
            has = node["Resources"]
            fits = has.get("CPU", 0) >= need.cpus and has.get("GPU", 0) >= need.gpus
            if node["Alive"] and fits and node["NodeID"] not in avoid:
                return str(node["NodeID"])
        return None

    def _put(self, source: Source) -> Any:
        with self._lock:
            if source.commit not in self._sources:
                self._sources[source.commit] = self._ray.put(source)
            return self._sources[source.commit]

    def _follow(self, attempt: _Attempt, line: Callable[[str], None], stop: Event) -> Made:
        """How it ended, having passed on all that was said; a machine that dies or stands still is in trouble."""
        try:
            while not stop.is_set():
                ready, _ = self._ray.wait([attempt.answers], timeout=_POLL_SECONDS)
                if ready:
                    lines = attempt.hear(*self._ray.get(next(attempt.answers)))
                elif attempt.silent_seconds() > patience_seconds():
                    self._cancel(attempt)
                    return Made(trouble=f"nothing was heard of it for {in_words(attempt.silent_seconds())}")
                else:
                    lines = [attempt.remark()]
                for text in filter(None, lines):
                    line(text)
        except StopIteration:
            return attempt.made or Made(trouble="it ended without an answer")
        except self._ray.exceptions.RayError as error:
            return Made(trouble=_in_short(error))
        raise StoppedError

    def _cancel(self, attempt: _Attempt) -> None:
        with suppress(Exception):
            self._ray.cancel(attempt.answers)
            # It ends by itself then, with all that it started; a cluster that is gone is not waited for.
            end = time.monotonic() + 10
            while time.monotonic() < end:
                self._ray.get(next(attempt.answers), timeout=end - time.monotonic())


def _in_short(error: BaseException) -> str:
    kind = type(error).__name__
    if kind in ("WorkerCrashedError", "NodeDiedError", "LocalRayletDiedError", "ActorDiedError"):
        return "it died, or the process on it was killed"
    if kind == "OutOfMemoryError":
        return "it ran out of memory"
    return f"{kind}: {one_line(error)}"[:1_000]


def _carry_out(order_json: str, source: Source) -> Iterator[tuple[str, list[str]]]:
    """On the machine: its name for Ray, and the answers since the last time."""
    import ray

    from pawl.scaling.node import carry_out, node_folder

    node = ray.get_runtime_context().get_node_id()
    waiting: list[str] = []
    since = time.monotonic()
    yield node, waiting
    for answer in carry_out(Order.model_validate_json(order_json), source, node_folder()):
        waiting.append(answer.model_dump_json())
        if answer.made is not None or time.monotonic() - since > _BATCH_SECONDS:
            yield node, waiting
            waiting, since = [], time.monotonic()

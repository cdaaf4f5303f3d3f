"""Orders carried out by the machines of a Ray cluster.

Each is a task that streams what its stage prints. Ray finds the machine that has the resources free; what happens when
that machine dies, is full or stands still is decided here, because Ray would only begin the same again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Any

from pawl.config import Resources
from pawl.errors import InputError, ServiceError
from pawl.pipeline.command import StoppedError
from pawl.pipeline.progress import in_words
from pawl.pipeline.project import one_line
from pawl.pipeline.resources import Pool
from pawl.scaling.fleet import Fleet
from pawl.scaling.orders import Answer, Made, Order
from pawl.scaling.source import Source
from pawl.waiting import patience_seconds, within

_TRIES = 3
_POLL_SECONDS = 0.5
_WAITING_SECONDS = 30.0
_BATCH_SECONDS = 0.2
_INSTALL = "Ray is not installed: pip install 'pawl[ray]', or -r requirements-cluster.txt."


@contextmanager
def ray_fleet(address: str | None, at_once: int) -> Iterator[Fleet]:
    """The cluster at `address`, else at RAY_ADDRESS, connected while the block runs."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise InputError(_INSTALL) from None
    address = address or os.environ.get("RAY_ADDRESS")
    if not address:
        raise InputError("no cluster is named: give --address HOST:PORT, or set RAY_ADDRESS.")
    try:
        within(patience_seconds(), lambda: _connect(ray, address))
    except Exception as error:
        raise ServiceError(
            f"the Ray cluster at {address} does not take part: {one_line(error)}. Check its address, that it runs, "
            "that Ray and Python are the same there as here, and RAY_AUTH_MODE=token with RAY_AUTH_TOKEN_PATH."
        ) from error
    fleet = _RayFleet(ray, Pool(at_once, ()))
    try:
        yield fleet
    finally:
        fleet.pool.stop()
        with suppress(Exception):
            ray.shutdown()


def _connect(ray: Any, address: str) -> None:
    ray.init(address=address, log_to_driver=False, logging_level="error", configure_logging=False)


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

    def make(self, order: Order, source: Source, want: Resources, line: Callable[[str], None], stop: Event) -> Made:
        avoid: list[str] = []
        for number in range(1, _TRIES + 1):
            attempt = self._begin(order, source, want, avoid)
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

    def _begin(self, order: Order, source: Source, want: Resources, avoid: list[str]) -> _Attempt:
        options: dict[str, Any] = {"num_cpus": want.cpus, "num_gpus": self._gpus(want), "max_retries": 0}
        wanted = f"{want.cpus} CPU" + (f", {options['num_gpus']} GPU" if options["num_gpus"] else "")
        if want.memory_gb is not None:
            options["memory"] = int(want.memory_gb * 1e9)
            wanted += f", {want.memory_gb:g} GB"
        other = self._another(options, avoid)
        if other:
            from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

            options["scheduling_strategy"] = NodeAffinitySchedulingStrategy(other, soft=True)
        answers = self._task.options(**options).remote(order.model_dump_json(), self._put(source))
        return _Attempt(answers, wanted)

    def _gpus(self, want: Resources) -> int:
        """One where nothing is said and the cluster has any, as on one machine."""
        if want.gpus is not None:
            return want.gpus
        return int(self._ray.cluster_resources().get("GPU", 0) >= 1)

    def _another(self, options: dict[str, Any], avoid: list[str]) -> str | None:
        """A living machine that would do and has not been tried, after one was in trouble."""
        if not avoid:
            return None
        needed = {"CPU": options["num_cpus"], "GPU": options["num_gpus"]}
        for node in self._ray.nodes():
            has = node["Resources"]
            if node["Alive"] and node["NodeID"] not in avoid and all(has.get(k, 0) >= n for k, n in needed.items()):
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

"""What the sides that are at work have in common."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pawl.config import Resources
from pawl.pipeline.progress import Progress
from pawl.pipeline.project import stage_name
from pawl.pipeline.resources import Gpus, Pool
from pawl.pipeline.running import Ran
from pawl.schema import Machine

if TYPE_CHECKING:
    from pawl.pipeline.plan import Look
    from pawl.pipeline.worker import Worker
    from pawl.scaling.fleet import Fleet
    from pawl.tracking.live import Live


@dataclass
class Watched:
    """A command that is watched while it runs; `ran` is how it ended, for whoever watches."""

    ran: Ran | None = None


@dataclass
class Shared:
    """The machine, who may use what of it, and what is being made."""

    pool: Pool
    progress: Progress
    machine: Machine
    resources_of: Callable[[str], Resources]
    making: dict[str, Future[None]] = field(default_factory=dict)
    """Stage key -> the end of the command that is making its result."""
    told: set[str] = field(default_factory=set)
    """Stages of which it was said that they are given less than they want."""
    urgency: dict[str, float] = field(default_factory=dict)
    """Label of a stage -> seconds of the longest chain of stages that begins with it, as far as seconds are known."""
    live: Live | None = None
    """Where stages are followed for MLflow while they run."""
    fleet: Fleet | None = None
    """Other machines, which run the stages then."""

    @property
    def at_once(self) -> int:
        """Stages that may run at the same time."""
        return (self.fleet or self).pool.cpus

    def worker_type(self) -> type[Worker]:
        """Who has the stages run: here, or on the other machines."""
        if self.fleet is None:
            from pawl.pipeline.worker import Worker

            return Worker
        from pawl.scaling.elsewhere import RemoteWorker

        return RemoteWorker

    def watching(self, worker: Worker, look: Look, gpus: Gpus) -> AbstractContextManager[Watched]:
        """While the block runs, the stage's command does."""
        if self.live is None or look.stage_key is None:
            return nullcontext(Watched())
        forced = stage_name(look.stage) in worker.force
        return self.live.stage(worker.project, look.stage, worker.side, look.stage_key, gpus, forced=forced)

"""What a run may ask of other machines, whichever engine reaches them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Event
from typing import Literal, Protocol

from pawl.config import Resources
from pawl.pipeline.resources import Pool
from pawl.scaling.orders import Made, Order
from pawl.scaling.source import Source

MOST_AT_ONCE = 256
"""Orders of one run that wait or are carried out, where --jobs says nothing: each has a thread here."""


@dataclass(frozen=True)
class Engine:
    """The machines that stages run on."""

    name: Literal["ray"]
    address: str | None = None
    """HOST:PORT; None: by the engine's own variable, such as RAY_ADDRESS."""


class Fleet(Protocol):
    """Machines that carry out orders."""

    pool: Pool
    """Of threads that wait for them."""

    def make(self, order: Order, source: Source, want: Resources, line: Callable[[str], None], stop: Event) -> Made:
        """Have a machine with these resources carry out the order, and another one where it dies or is in trouble.

        `line` is told what the stage prints. Blocks; when `stop` is set, ends what it began and raises StoppedError.
        """


def open_fleet(engine: Engine, jobs: int | None) -> AbstractContextManager[Fleet]:
    """The machines of the engine, to be let go at the end. Raises InputError, ServiceError."""
    from pawl.scaling.ray_fleet import ray_fleet

    return ray_fleet(engine.address, jobs or MOST_AT_ONCE)

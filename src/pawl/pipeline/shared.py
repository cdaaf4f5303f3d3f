"""What the sides that are at work have in common."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from pawl.config import Resources
from pawl.pipeline.progress import Progress
from pawl.pipeline.resources import Pool
from pawl.schema import Machine


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

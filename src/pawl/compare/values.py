"""A metric's value as one side's file has it."""

from __future__ import annotations

from dataclasses import dataclass

from pawl.schema import MetricState


@dataclass(frozen=True)
class Measured:
    """`value` is a finite number exactly when `state` is "ok"."""

    value: float | None
    state: MetricState

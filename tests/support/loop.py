"""The loop in this process: what `pawl run` does up to the comparison, without the seconds that a new Python takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pawl.schema import Comparison, MetricComparison, Plan, StagePlan, StageResult, Stages
from pawl.session import Choices, open_session
from pawl.steps import compare_step, plan_step, reproduce_step


@dataclass(frozen=True)
class Measured:
    """What the steps wrote, and what they said while they worked."""

    plan: Plan
    stages: Stages
    comparison: Comparison
    said: list[str]

    def planned(self, name: str) -> StagePlan:
        """The plan for one stage."""
        return next(stage for stage in self.plan.stages if stage.name == name)

    def result(self, name: str, side: str = "head") -> StageResult | None:
        """What happened to one stage on one side, None where nothing had to."""
        return next((s for s in self.stages.stages if (s.name, s.side) == (name, side)), None)

    def outcome(self, name: str, side: str = "head") -> str | None:
        """Like result, but only the word."""
        found = self.result(name, side)
        return found.outcome if found else None

    def trained(self) -> list[str]:
        """`side:stage` of all that ran."""
        return [f"{stage.side}:{stage.name}" for stage in self.stages.stages if stage.outcome == "trained"]

    def metric(self, name: str) -> MetricComparison:
        """The comparison of one metric, by its short name."""
        return next(metric for metric in self.comparison.metrics if metric.name == name)


def measure(
    root: Path, *, everything: bool = False, force: bool = False, rescore: bool = False, **choices: Any
) -> Measured:
    """Plan, reproduce and compare the repository at `root`."""
    said: list[str] = []
    session = open_session(Choices(root.absolute(), **choices))
    plan, head_looks, base_looks = plan_step(session, everything=everything, force=force)
    stages = reproduce_step(session, plan, head_looks, base_looks, said.append, rescored=rescore)
    return Measured(plan, stages, compare_step(session, plan, stages), said)

"""What a pipeline must take at least on a machine: its longest chain of stages, or all work over all cores."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path


def least_seconds(stage_seconds: Mapping[str, float], upstream: Mapping[str, Collection[str]], cores: int) -> float:
    """The larger of the critical path and the total over the cores, in seconds, where each stage holds one core.

    stage_seconds: name -> seconds of its command. upstream: name -> the stages that it reads from; those without
    seconds take none. No schedule is faster: Graham, Bounds on multiprocessing timing anomalies, 1969.

    >>> least_seconds({"a": 2.0, "b": 3.0, "c": 1.0}, {"b": ["a"]}, cores=2)
    5.0
    """
    return max(critical_path_seconds(stage_seconds, upstream), sum(stage_seconds.values()) / cores)


def critical_path_seconds(stage_seconds: Mapping[str, float], upstream: Mapping[str, Collection[str]]) -> float:
    """The seconds of the longest chain of stages, each of which needs the one before it."""
    ends: dict[str, float] = {}

    def end(name: str) -> float:
        if name not in ends:
            ends[name] = stage_seconds.get(name, 0.0) + max(map(end, upstream.get(name, ())), default=0.0)
        return ends[name]

    return max(map(end, stage_seconds), default=0.0)


def recorded(root: Path) -> tuple[dict[str, float], dict[str, list[str]]]:
    """Of the last `pawl run` in the repository at `root`: the seconds of head's commands, and what each stage reads."""
    from pawl.pipeline.project import open_project, stage_name
    from pawl.schema import Stages

    stages = Stages.model_validate_json((root / "reports" / "stages.json").read_bytes()).stages
    seconds = {stage.name: stage.usage.seconds for stage in stages if stage.side == "head" and stage.usage}
    project = open_project(root)
    upstream = {stage_name(stage): [stage_name(other) for other in project.upstream(stage)] for stage in project.stages}
    return seconds, upstream

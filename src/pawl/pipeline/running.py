"""A stage's command as DVC would run it, and what the run cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from pawl.pipeline.command import run_command
from pawl.pipeline.environment import with_gpus
from pawl.pipeline.gpu_meter import GpuMeter
from pawl.schema import Usage

if TYPE_CHECKING:
    from dvc.stage import PipelineStage


@dataclass(frozen=True)
class Ran:
    """How a stage's command ended; `started_at` is ISO 8601 in UTC."""

    started_at: str
    exit_code: int
    usage: Usage


def commands_of(stage: PipelineStage) -> list[list[str]]:
    """The stage's commands, each for the shell that DVC would take."""
    from dvc.stage.run import _enforce_cmd_list, _make_cmd, get_executable

    shell = get_executable()
    return [
        made if isinstance(made := _make_cmd(shell, cmd), list) else ["/bin/sh", "-c", made]
        for cmd in _enforce_cmd_list(stage.cmd)
    ]


def run_stage(
    stage: PipelineStage,
    env: Mapping[str, str],
    gpus: tuple[tuple[str, ...], tuple[str, ...]],
    log: Path,
    line: Callable[[str], None],
    stop: Event,
) -> Ran:
    """Run the stage's command in its folder. `gpus` are those it is given, and all that there are."""
    held, all_gpus = gpus
    started = datetime.now(UTC).isoformat(timespec="seconds")
    with GpuMeter(held) as meter:
        finished = run_command(
            commands_of(stage),
            folder=Path(stage.wdir),
            env=with_gpus(dict(env), held, all_gpus),
            log=log,
            line=line,
            stop=stop,
        )
    usage = Usage(
        seconds=finished.seconds,
        peak_memory_bytes=finished.peak_memory_bytes,
        gpu_seconds=finished.seconds * len(held) if all_gpus else None,
        gpu_utilisation=meter.use.utilisation,
        gpu_peak_memory_bytes=meter.use.peak_memory_bytes,
        energy_joules=meter.use.energy_joules,
    )
    return Ran(started, finished.exit_code, usage)

"""Entries of dvc.lock, written several at a time: DVC reads and writes the whole file for each."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pawl.pipeline.project import Project, lock_entry, stage_name
from pawl.pipeline.turns import undisturbed

if TYPE_CHECKING:
    from dvc.stage import PipelineStage

_SHARE = 0.2
"""Of the time since the last writing, at most so much is spent on the next."""


@dataclass
class Locking:
    """The entries of one checkout that are not in its dvc.lock yet.

    Every one is written soon where that costs little, as with few stages; with a thousand, several together. What a
    process that is killed has not written is in the run-cache, and comes back from there.
    """

    project: Project
    _waiting: dict[str, PipelineStage] = field(default_factory=dict)
    _written_at: float = 0.0
    """By the monotonic clock, in seconds."""
    _cost_seconds: float = 0.0

    def made(self, stage: PipelineStage) -> None:
        """Have the stage's entry in dvc.lock after the next `write` at the latest."""
        self._waiting[stage_name(stage)] = stage
        if (time.monotonic() - self._written_at) * _SHARE >= self._cost_seconds:
            self.write()

    def restored(self, stage: PipelineStage) -> None:
        """The same, where dvc.lock says something else of the stage."""
        entry = lock_entry(stage)
        if self.project.locked.get(stage_name(stage)) != entry:
            self.made(stage)
            self.project.locked[stage_name(stage)] = entry

    def write(self) -> None:
        """Write all that waits."""
        from dvc.stage import PipelineStage

        files: dict[str, list[PipelineStage]] = {}
        for stage in self._waiting.values():
            files.setdefault(stage.path, []).append(stage)
        self._waiting.clear()
        start = time.monotonic()
        for stages in files.values():
            with self.project.repo.lock, undisturbed():
                if isinstance(stages[0], PipelineStage):
                    stages[0].dvcfile.dump_stages(stages, update_pipeline=False)
                else:
                    for stage in stages:
                        stage.dump(update_pipeline=False)
        if files:
            self._written_at = time.monotonic()
            self._cost_seconds = self._written_at - start

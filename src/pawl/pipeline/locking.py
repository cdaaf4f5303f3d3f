"""Entries of dvc.lock, put into its text, and several at a time where even that is dear."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_IMODE
from typing import TYPE_CHECKING

from pawl.pipeline.lock_text import with_entries
from pawl.pipeline.project import Project, lock_entry, stage_name
from pawl.pipeline.turns import undisturbed
from pawl.report.files import write_beside

if TYPE_CHECKING:
    from dvc.stage import PipelineStage

    from pawl.pipeline.plan import Look

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
        self.project.locked[stage_name(stage)] = lock_entry(stage)
        if (time.monotonic() - self._written_at) * _SHARE >= self._cost_seconds:
            self.write()

    def restored(self, stage: PipelineStage) -> None:
        """The same, where dvc.lock says something else of the stage."""
        if self.project.locked.get(stage_name(stage)) != lock_entry(stage):
            self.made(stage)

    def tell_upstream(self, stage: PipelineStage, looks: Mapping[str, Look]) -> None:
        """Have dvc.lock say what all is that the stage follows from: its command may read it, as where DVC runs it."""
        waiting, seen = [stage], set[str]()
        while waiting:
            for other in self.project.upstream(waiting.pop()):
                if stage_name(other) not in seen:
                    seen.add(stage_name(other))
                    waiting.append(other)
                    if looks[stage_name(other)].receipt is not None:
                        self.restored(other)
        if seen & self._waiting.keys():
            self.write()

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
                if not isinstance(stages[0], PipelineStage):
                    for stage in stages:
                        stage.dump(update_pipeline=False)
                elif not self._put(stages):
                    stages[0].dvcfile.dump_stages(stages, update_pipeline=False)
        if files:
            self._written_at = time.monotonic()
            self._cost_seconds = self._written_at - start

    def _put(self, stages: Sequence[PipelineStage]) -> bool:
        """Put the entries of stages of one file into the text of its lock; False where DVC has to write it."""
        lock = stages[0].dvcfile._lockfile
        path = Path(lock.path)
        if path.is_symlink() or not path.is_file():
            return False
        text = path.read_text(encoding="utf-8")
        found = with_entries(text, {stage.name: lock_entry(stage) for stage in stages})
        if found is not None and found != text:
            write_beside(path, found.encode(), S_IMODE(path.stat().st_mode)).replace(path)
            self.project.repo.scm_context.track_file(lock.relpath)
        return found is not None

"""One row per stage: what happened to it on both sides."""

from __future__ import annotations

from dataclasses import dataclass

from pawl.schema import Plan, Stages

_URGENCY = ("failed", "trained", "restored", "skipped")
_PLANNED = {"run": "to run", "restore": "to restore", "unchanged": "unchanged", "absent": "", "unneeded": ""}


@dataclass(frozen=True)
class StageRow:
    """A stage on both sides; an outcome is empty where the stage is not on that side or was not needed there."""

    name: str
    base: str
    head: str
    base_seconds: float | None
    head_seconds: float | None
    peak_memory_bytes: int | None
    """Of the side that used more."""

    @property
    def idle(self) -> bool:
        """Whether nothing was done for it."""
        return {self.base, self.head} <= {"unchanged", ""}


def stage_rows(plan: Plan, stages: Stages | None) -> list[StageRow]:
    """All stages in the plan's order, the failed and trained ones first; as planned where nothing ran."""
    if stages is None:
        return [StageRow(s.name, _PLANNED[s.base_action], _PLANNED[s.action], None, None, None) for s in plan.stages]
    results = {(result.name, result.side): result for result in stages.stages}
    names = dict.fromkeys([*(stage.name for stage in plan.stages), *(result.name for result in stages.stages)])
    rows = []
    for name in names:
        base, head = results.get((name, "base")), results.get((name, "head"))
        peaks = [side.peak_memory_bytes for side in (base, head) if side and side.peak_memory_bytes is not None]
        rows.append(
            StageRow(
                name,
                base.outcome if base else "",
                head.outcome if head else "",
                base.seconds if base else None,
                head.seconds if head else None,
                max(peaks, default=None),
            )
        )
    rows.sort(key=lambda row: min((_URGENCY.index(o) for o in (row.base, row.head) if o in _URGENCY), default=9))
    return rows


def stage_notes(plan: Plan, stages: Stages | None) -> dict[str, str]:
    """Stage name -> what a person should know of it; a lock entry without a run only matters where nothing ran yet."""
    results = {(result.name, result.side): result.note for result in (stages.stages if stages else ())}
    notes = {}
    for stage in plan.stages:
        unproven = "no run of its entry in dvc.lock is on record" if stage.unproven and stages is None else ""
        said = (stage.note, unproven, results.get((stage.name, "head")), results.get((stage.name, "base")))
        notes[stage.name] = " ".join(dict.fromkeys(text for text in said if text))
    return {name: text for name, text in notes.items() if text}

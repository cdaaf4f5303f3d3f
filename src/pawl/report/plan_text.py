"""A plan alone, as Markdown: what would run and why, before anything does."""

from __future__ import annotations

from pawl.report.change_section import stage_causes
from pawl.report.escape import code, code_cell, prose
from pawl.report.markdown import bullets, folded, table
from pawl.report.stage_rows import stage_notes, stage_rows
from pawl.schema import Plan

_MOST_ROWS = 100
_MOST_CAUSES = 20


def needs_work(plan: Plan) -> bool:
    """Whether anything of the plan has to be run or restored."""
    return any({stage.action, stage.base_action} & {"run", "restore"} for stage in plan.stages)


def plan_text(plan: Plan, remark: str = "") -> str:
    """The plan for a step summary or a comment. `remark` is a sentence of ours that goes with it."""
    runs = sum(stage.action == "run" for stage in plan.stages)
    restores = sum(stage.action == "restore" for stage in plan.stages)
    base_runs = sum(stage.base_action == "run" for stage in plan.stages)
    if needs_work(plan):
        line = f"**Plan**: run {runs} stages of head and {base_runs} of base, restore {restores} of head."
    else:
        line = "**No training needed**: every stage has the same code, parameters and data as on base."
    about = f"{code(plan.head.name, 80)} at {code(plan.head.commit[:10])}"
    parts = [line, f"{about}, against {code(plan.base.name, 80)} at {code(plan.base.commit[:10])}."]
    if plan.overrides:
        parts.append(f"Set for this run: {', '.join(code(one, 100) for one in plan.overrides[:_MOST_CAUSES])}.")
    if remark:
        parts.append(prose(remark, 1_000))
    caused = [stage for stage in plan.stages if any(cause.kind != "upstream" for cause in stage.causes)]
    if caused:
        parts.append(bullets([stage_causes(stage, 6) for stage in caused[:_MOST_CAUSES]]))
    parts += [prose(note, 500) for note in plan.notes[:10]]
    notes = stage_notes(plan, None)
    rows = [
        [code_cell(row.name, 80), row.base, row.head, prose(notes.get(row.name, ""), 200)]
        for row in stage_rows(plan, None)[:_MOST_ROWS]
    ]
    if rows:
        parts.append(folded(f"<b>Stages</b> ({len(plan.stages)})", table(["Stage", "Base", "Head", ""], "llll", rows)))
    return "\n\n".join(parts) + "\n"

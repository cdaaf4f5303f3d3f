"""What has to run, on which side, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pawl.pipeline import receipts
from pawl.pipeline.causes import environment_causes, find_causes
from pawl.pipeline.keys import recipe_keys, stage_key, why_unkeyed
from pawl.pipeline.project import Project, lock_entry, resolve_inputs, stage_name
from pawl.pipeline.provenance import machine_of
from pawl.pipeline.remote import Remote
from pawl.pipeline.soundness import check_pipeline
from pawl.schema import Cause, Machine, Plan, Revision, StageAction, StagePlan

if TYPE_CHECKING:
    from dvc.stage import PipelineStage


@dataclass
class Look:
    """What is known of one stage before anything runs."""

    stage: PipelineStage
    recipe_key: str | None = None
    stage_key: str | None = None
    receipt: receipts.Receipt | None = None
    note: str = ""
    unproven: dict[str, str] | None = None
    """The outputs, path -> digest, that dvc.lock claims for these inputs without a run on record."""


Looks = dict[str, Look]


def look_at(project: Project, stage: PipelineStage, remote: Remote) -> Look:
    """The stage's key and receipt as far as they are certain now; a receipt makes its outputs known."""
    look = Look(stage)
    locked = project.locked.get(stage_name(stage))
    if not resolve_inputs(project, stage):
        return look
    unkeyed = why_unkeyed(stage)
    lock_is_current = locked is not None and _inputs(locked) == _inputs(lock_entry(stage))
    if unkeyed:
        look.note = f"DVC cannot file its result under a key: {unkeyed}."
        if lock_is_current and not (stage.is_callback or stage.always_changed):
            # Nothing better than the lock exists for such a stage; the note says so wherever it is shown.
            look.receipt = _receipt_from_lock(project, stage, remote)
    else:
        look.stage_key = stage_key(stage)
        assert look.stage_key is not None
        look.receipt = receipts.find(project, stage, look.stage_key, remote)
        if locked is not None and lock_is_current and look.receipt is None:
            look.unproven = receipts.outs_of(locked)
    if look.receipt is not None:
        receipts.apply(project, stage, look.receipt)
    return look


def look_over(project: Project, remote: Remote) -> Looks:
    """Every stage of one side, in running order."""
    looks = {stage_name(stage): look_at(project, stage, remote) for stage in project.stages}
    for name, key in recipe_keys(project).items():
        looks[name].recipe_key = key
    return looks


def make_plan(
    head: Project,
    head_looks: Looks,
    base: Project | None,
    base_looks: Looks,
    *,
    revisions: tuple[Revision, Revision],
    changed_files: list[str],
    overrides: tuple[str, ...] = (),
    started_from: str | None = None,
    everything: bool = False,
    force: bool = False,
    notes: tuple[str, ...] = (),
    machine: Callable[[], Machine] | None = None,
) -> Plan:
    """The plan for both sides. `revisions` are base's and head's; `base` is None where that commit has no pipeline.
    `machine` describes the one that will run stages, and is asked only where a restored result came from a known one.

    Needed are the stages whose recipe differs from base's (with `everything`, all of head's); what has a receipt is
    restored, the rest runs, and so does whatever a running stage reads and nobody has. `force` runs the needed ones
    whether or not they have a receipt.
    """
    differing = {
        name
        for name, look in head_looks.items()
        if name not in base_looks or look.recipe_key is None or look.recipe_key != base_looks[name].recipe_key
    }
    needed = set(head_looks) if everything else differing
    head_actions = _actions(head, head_looks, needed, force=force)
    base_actions = _actions(base, base_looks, differing & base_looks.keys(), force=False) if base else {}
    for name, action in base_actions.items():
        if action == "run" and name not in differing and head_actions.get(name) == "run":
            base_actions[name] = "restore"  # head goes first, and then it is known
    plans = []
    for name, look in head_looks.items():
        before = base_looks.get(name)
        causes: tuple[Cause, ...] = ()
        if base is not None and before is not None and name in differing:
            causes = find_causes(
                head, look.stage, base, before.stage, (_recipes(head_looks), _recipes(base_looks)), changed_files
            ) or (Cause(kind="code", what="a folder in which committed files and results lie together"),)
            made = ((base, before, base_actions[name]), (head, look, head_actions[name]))
            causes += tuple(_environment_causes(made, machine))
        plans.append(
            StagePlan(
                name=name,
                action=head_actions[name],
                base_action="absent" if before is None else _base_action(base_actions, name, differing),
                causes=causes,
                recipe_key=look.recipe_key,
                stage_key=look.stage_key,
                note=look.note or (before.note if before and name in differing else ""),
                unproven=look.unproven is not None,
            )
        )
    for project, actions in ((head, head_actions), (base, base_actions)):
        if project is not None and "run" in actions.values():
            check_pipeline(project)
    removed = tuple(name for name in base_looks if name not in head_looks) if base else ()
    return Plan(
        base=revisions[0],
        head=revisions[1],
        overrides=overrides,
        started_from=started_from,
        everything=everything,
        force=force,
        stages=tuple(plans),
        removed_stages=removed,
        notes=notes,
    )


def _environment_causes(
    made: Sequence[tuple[Project, Look, StageAction]], machine: Callable[[], Machine] | None
) -> list[Cause]:
    """How base's and head's machines differ: the one at hand for what runs, the one on record for what is restored."""
    known = [None if action == "run" else machine_of(project, look.receipt) for project, look, action in made]
    if machine is None or not any(known):
        return []
    base, head = (
        machine() if action == "run" else recorded for (_, _, action), recorded in zip(made, known, strict=True)
    )
    return environment_causes(base, head)


def _base_action(actions: dict[str, StageAction], name: str, differing: set[str]) -> StageAction | Literal["unneeded"]:
    action = actions.get(name, "unchanged")
    return "unneeded" if action == "unchanged" and name not in differing else action


def _actions(project: Project, looks: Looks, needed: set[str], *, force: bool) -> dict[str, StageAction]:
    actions: dict[str, StageAction] = {}
    for name, look in looks.items():
        if name not in needed:
            actions[name] = "unchanged"
        else:
            actions[name] = "run" if force or look.receipt is None else "restore"
    for stage in reversed(project.stages):
        if actions[stage_name(stage)] == "run":
            for upstream in project.upstream(stage):
                if looks[stage_name(upstream)].receipt is None:
                    actions[stage_name(upstream)] = "run"
    return actions


def _recipes(looks: Looks) -> dict[str, str | None]:
    return {name: look.recipe_key for name, look in looks.items()}


def _inputs(entry: dict[str, Any]) -> dict[str, Any]:
    """A lock entry without its outputs, and without the sizes, which prove nothing."""
    deps = [{key: dep.get(key) for key in ("path", "md5")} for dep in entry.get("deps", [])]
    return {"cmd": entry.get("cmd"), "deps": deps, "params": entry.get("params")}


def _receipt_from_lock(project: Project, stage: PipelineStage, remote: Remote) -> receipts.Receipt | None:
    receipt = receipts.Receipt("", "", lock_entry(stage))
    return receipt if receipts.local_outputs(project, stage, receipt) else None

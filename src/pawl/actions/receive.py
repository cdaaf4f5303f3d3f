"""Take over what the training job wrote: the JSON files that are valid, and nothing else.

Everything that comes from there is hostile until its schema has checked it. Where the files that a report cannot do
without are missing or not valid, files that say so take their place: the pull request then shows a failed run with its
reason, and not nothing.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pawl.actions.thumbnails import with_clean_thumbnails
from pawl.errors import InputError
from pawl.schema import Comparison, Plan, Revision, Stages, Strict, Tracking
from pawl.session import read_file, write_file

NAMES = ("plan.json", "stages.json", "comparison.json", "tracking.json")
"""All that crosses over; the logs and reports beside them are for people, and stay where they are."""
MAX_FILE_BYTES = 32 * 1024 * 1024
MAX_ENTRIES = 10_000
_Model = TypeVar("_Model", bound=Strict)


def receive(handed_over: Path, target: Path, base: Revision, head: Revision, measured: str | None = None) -> str:
    """Fill `target` with valid files from `handed_over`; what was wrong with them, "" where nothing was.

    `base` and `head` name the commits where no valid file does. `measured` is the commit that the event wanted
    measured: results of another one are not believed. Raises InputError where `target` exists.
    """
    try:
        _check_entries(handed_over)
        plan = _read(handed_over, "plan.json", Plan)
        stages = _read(handed_over, "stages.json", Stages) if plan else None
        comparison = _read(handed_over, "comparison.json", Comparison) if stages else None
        tracking = _read(handed_over, "tracking.json", Tracking) if comparison else None
        _check_commits(plan, stages, comparison, measured)
        comparison = comparison and with_clean_thumbnails(comparison)
        problem = "" if comparison else _ended_before(plan, stages)
    except InputError as error:
        plan, stages, comparison, tracking = None, None, None, None
        problem = f"What the training job handed over is not believed: {error}"
    plan = plan or Plan(base=base, head=head, stages=())
    comparison = comparison or Comparison(
        base=plan.base,
        head=plan.head,
        overrides=plan.overrides,
        verdict="failed",
        headline=problem[:1_000],
        gate_passed=False,
        gate_reason="there are no results to judge",
        metrics=(),
        params=(),
    )
    try:
        target.mkdir(parents=True)
    except FileExistsError:
        raise InputError(f"{target} exists already: name a folder that does not.") from None
    for name, value in zip(NAMES, (plan, stages, comparison, tracking), strict=True):
        if value is not None:
            write_file(target, name, value)
    return problem


def _check_entries(folder: Path) -> None:
    """Nothing but files and folders, and not too many: a link could lead the next step anywhere."""
    if folder.is_symlink():
        raise InputError("it is a link.")
    if not folder.exists():
        return
    count = 0
    pending = [folder]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                count += 1
                mode = entry.stat(follow_symlinks=False).st_mode
                if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                    raise InputError(f"{entry.name[:100]!a} is neither a file nor a folder.")
                if entry.is_dir(follow_symlinks=False):
                    pending.append(Path(entry.path))
                if count > MAX_ENTRIES:
                    raise InputError(f"it has more than {MAX_ENTRIES} entries.")


def _check_commits(
    plan: Plan | None, stages: Stages | None, comparison: Comparison | None, measured: str | None
) -> None:
    """Everything is about one pair of commits, and head is the one that was to be measured."""
    if plan is None:
        return
    about = plan.started_from if plan.overrides else plan.head.commit
    if measured and about != measured:
        raise InputError(f"it is about commit {about}, and not about {measured}.")
    pairs = {(one.base.commit, one.head.commit) for one in (plan, stages, comparison) if one is not None}
    if len(pairs) > 1:
        raise InputError("its files are about different commits.")


def _ended_before(plan: Plan | None, stages: Stages | None) -> str:
    step = "it planned anything" if plan is None else "its stages were through" if stages is None else "it compared"
    return f"The training job ended before {step}; its log says why."


def _read(folder: Path, name: str, model: type[_Model]) -> _Model | None:
    """One file, validated; None where there is none."""
    path = folder / name
    if not path.exists():
        return None
    if not path.is_file():
        raise InputError(f"{name} is not a file.")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise InputError(f"{name} is larger than {MAX_FILE_BYTES // 1024**2} MB.")
    try:
        return read_file(folder, name, model, "pawl")
    except (InputError, RecursionError) as error:
        raise InputError(f"{name} is not valid: {str(error).removeprefix(f'{path} ')}"[:500]) from None


def revisions(event: Mapping[str, Any], sha: str) -> tuple[Revision, Revision]:
    """Base and head as the event names them, for a run that did not come to name them itself."""
    request = event.get("pull_request") or {}
    if request:
        return _revision(request["base"]), _revision(request["head"])
    head = Revision(commit=sha, name=str(event.get("ref", "")).removeprefix("refs/heads/")[:200] or sha[:10])
    before = str(event.get("before") or "")
    known = re.fullmatch(r"[0-9a-f]{40}", before) and before.strip("0")
    return (Revision(commit=before, name=before[:10]) if known else head), head


def _revision(side: Mapping[str, Any]) -> Revision:
    return Revision(commit=side["sha"], name=str(side["ref"])[:200])

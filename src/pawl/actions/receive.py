"""Take over what the training job wrote: the JSON files that are valid, and nothing else.

Everything that comes from there is hostile until its schema has checked it. Where the files that a report cannot do
without are missing or not valid, files that say so take their place: the pull request then shows a failed run with its
reason, and not nothing.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pawl.errors import InputError
from pawl.schema import Comparison, Plan, Revision, Stages, Strict, Tracking
from pawl.session import read_file, write_file

MAX_FILE_BYTES = 32 * 1024 * 1024
_Model = TypeVar("_Model", bound=Strict)


def receive(handed_over: Path, target: Path, base: Revision, head: Revision) -> str:
    """Fill `target` with valid files from `handed_over`; what was wrong with them, "" where nothing was.

    `base` and `head` name the commits where no valid file does.
    """
    try:
        plan = _read(handed_over, "plan.json", Plan)
        stages = _read(handed_over, "stages.json", Stages) if plan else None
        comparison = _read(handed_over, "comparison.json", Comparison) if stages else None
        tracking = _read(handed_over, "tracking.json", Tracking) if comparison else None
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
    target.mkdir(parents=True)
    named = {"plan.json": plan, "stages.json": stages, "comparison.json": comparison, "tracking.json": tracking}
    for name, value in named.items():
        if value is not None:
            write_file(target, name, value)
    return problem


def _ended_before(plan: Plan | None, stages: Stages | None) -> str:
    step = "it planned anything" if plan is None else "its stages were through" if stages is None else "it compared"
    return f"The training job ended before {step}; its log says why."


def _read(folder: Path, name: str, model: type[_Model]) -> _Model | None:
    """One file, validated; None where there is none."""
    path = folder / name
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise InputError(f"{name} is not a file.")
    if not path.exists():
        return None
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


def main(handed_over: str, target: str) -> int:
    """Receive, and say what was wrong; the job goes on to report it."""
    event = json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8"))
    base, head = revisions(event, os.environ["GITHUB_SHA"])
    problem = receive(Path(handed_over), Path(target), base, head)
    print(problem or "Everything that was handed over is valid.")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

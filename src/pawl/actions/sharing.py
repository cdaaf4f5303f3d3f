"""One run of the workflow on many runners: what the planning job tells each, and what each makes of it.

Runners hand results over by the pull requests' remote alone, so where a run has none nothing is shared out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawl.errors import InputError
from pawl.scaling.shares import MOST_LEVELS, Known, Share, label, only, running, share_out, works_of
from pawl.schema import Plan, Stages

if TYPE_CHECKING:
    from dvc.stage import PipelineStage

    from pawl.pipeline.plan import Looks
    from pawl.pipeline.progress import Progress
    from pawl.pipeline.project import Project
    from pawl.session import Session

Say = Callable[[str], None]
MOST_SHARE_CHARACTERS = 60_000
"""A share reaches its steps by an environment variable, of at most 128 KiB."""
MOST_CHARACTERS = 500_000
"""Of all levels: GitHub takes 1 MB of outputs from a job, counted in UTF-16."""


def fan_out(session: Session, plan: Plan, head_looks: Looks, base_looks: Looks, say: Say) -> dict[str, str]:
    """The outputs `shares_1` and so on: a matrix for each level, as JSON; empty where one runner does it all."""
    from pawl.pipeline.scopes import PULL_REQUESTS_REMOTE

    empty = {f"shares_{level}": "" for level in range(1, MOST_LEVELS + 1)}
    if PULL_REQUESTS_REMOTE not in session.head.repo.config["remote"]:
        say("one runner makes it all: there is no remote of pull requests by which runners could hand over results")
        return empty
    if plan.force:
        say("one runner makes it all: what is forced to run cannot be taken over from others")
        return empty
    head, base = _known(session, head_looks, base_looks)
    levels = share_out(works_of(plan, head, base, lambda name: session.config.resources_of(name).gpus != 0))
    if not levels:
        say("one runner makes it all: there is nothing to share out")
    else:
        say(f"shared out to {', then '.join(str(len(level)) for level in levels)} runners")
    return empty | matrices(levels)


def matrices(levels: Sequence[Sequence[Share]]) -> dict[str, str]:
    """Output -> JSON on one line without a space: for each share its `id`, its `name`, for people, and its `stages`.

    What is beyond GitHub's bounds is left out, and so left to the job after the last level.
    """
    found, left = {}, MOST_CHARACTERS
    for level, shares in enumerate(levels, start=1):
        entries = []
        for index, share in enumerate(shares, start=1):
            more = f" and {len(share) - 1} more" if len(share) > 1 else ""
            entry = _compact({"id": f"{level}-{index}", "name": f"{share[0][:60]}{more}", "stages": _compact(share)})
            if len(entry) <= min(left, MOST_SHARE_CHARACTERS):
                entries.append(entry)
                left -= len(entry) + 1
        found[f"shares_{level}"] = f"[{','.join(entries)}]" if entries else ""
    return found


def _compact(value: Any) -> str:
    """JSON in ASCII; spaces can only stand in its texts, and are written in another way."""
    return json.dumps(value, separators=(",", ":")).replace(" ", "\\u0020")


def read_share(text: str, plan: Plan) -> Share:
    """The labels in a share as `matrices` writes it. Raises InputError where one is not of a stage in the plan."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list) or not found or not all(isinstance(one, str) for one in found):
        raise InputError("the share is not a list of stages in JSON: give what `pawl ci plan` has put out.")
    known = {label("head", stage.name) for stage in plan.stages}
    known |= {label("base", stage.name) for stage in plan.stages if stage.base_action != "absent"}
    for one in found:
        if one not in known:
            raise InputError(
                f"{one[:100]!a} in the share is no stage of this commit's plan: give what `pawl ci plan` of the same "
                "run has put out."
            )
    return tuple(found)


def plan_of_share(session: Session, plan: Plan, looks: tuple[Looks, Looks], share: Share, say: Say) -> Plan:
    """The plan as a runner carries it out: what it can make of its share. `looks` are head's and base's."""
    own, left = only(plan, share, *_known(session, *looks))
    for one in left:
        say(f"{one} is left to the last job: something that it reads has no result, or another runner makes the same")
    return own


def share_run(
    folder: Path,
    text: str,
    *,
    jobs: int | None,
    say: Say,
    watch: Callable[[Progress], AbstractContextManager[Any]],
) -> Stages:
    """Make a share with what `pawl ci pull` has brought here, without the remote."""
    from pawl.session import Choices, exclusive, open_session, read_file
    from pawl.steps import plan_step, reproduce_step

    written = read_file(folder / "reports", "plan.json", Plan, "pawl ci pull")
    # What somebody has made by now was not brought here: without the remote it would seem to have to run.
    share = tuple(one for one in read_share(text, written) if one in running(written))
    with exclusive(folder):
        session = open_session(Choices(folder, use_remote=False), made=written)
        plan, head_looks, base_looks = plan_step(session, everything=written.everything, force=written.force)
        own = plan_of_share(session, plan, (head_looks, base_looks), share, say)
        _leave_alone(session.head, head_looks, {stage.name for stage in own.stages if stage.action == "run"})
        return reproduce_step(session, own, head_looks, base_looks, say, jobs=jobs, watch=watch)


def _leave_alone(head: Project, looks: Looks, runs: set[str]) -> None:
    """Forget the results that no stage in `runs` reads: all that this machine has of head would be checked out."""
    from pawl.pipeline.project import stage_name

    read = {stage_name(other) for name in runs for other in head.upstream(looks[name].stage)}
    for name in looks.keys() - read:
        looks[name].receipt = None


def keep_run(folder: Path, text: str, *, say: Say) -> int:
    """Send what there is of a share to the pull requests' remote; how many stages' results that is."""
    from pawl.pipeline.plan import look_over
    from pawl.pipeline.push import push
    from pawl.pipeline.remote import Remote
    from pawl.session import Choices, exclusive, open_session, read_file

    written = read_file(folder / "reports", "plan.json", Plan, "pawl ci pull")
    share = read_share(text, written)
    with exclusive(folder):
        session = open_session(Choices(folder), made=written)
        sent = 0
        for side, project in _projects(session):
            # Only what this machine has is sent, so the remote is not asked for receipts.
            looks = look_over(project, Remote(project, enabled=False))
            own = {name: look for name, look in looks.items() if f"{side}:{name}" in share}
            sent += push(project, own, Remote(project, pull_requests_only=True), say)
    return sent


def _projects(session: Session) -> Iterator[tuple[str, Project]]:
    yield "head", session.head
    if session.base is not None and not session.is_same:
        yield "base", session.base


def _known(session: Session, head_looks: Looks, base_looks: Looks) -> tuple[Known, Known]:
    has_base = session.base is not None and not session.is_same
    nothing = Known({}, {}, frozenset(), frozenset())
    return _known_of(session.head, head_looks), _known_of(session.base, base_looks) if has_base else nothing


def _known_of(project: Any, looks: Looks) -> Known:
    from pawl.pipeline.project import stage_name

    return Known(
        upstream={
            name: tuple(stage_name(other) for other in project.upstream(look.stage)) for name, look in looks.items()
        },
        keys={name: look.stage_key for name, look in looks.items()},
        results=frozenset(name for name, look in looks.items() if look.receipt is not None),
        filed=frozenset(name for name, look in looks.items() if _is_filed(look.stage)),
    )


def _is_filed(stage: PipelineStage) -> bool:
    """Whether DVC will file the result under a key, as far as that can be said before the inputs are known."""
    outs_are = all(out.protocol == "local" and out.is_in_repo and not out.persist for out in stage.outs)
    return bool(stage.deps and stage.outs) and outs_are and not stage.always_changed

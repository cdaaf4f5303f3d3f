"""Which of several runners makes what: the stages that have to run, shared out in levels, one after the other.

A share is what one runner makes. Those of one level need nothing of each other; what they read was made in a level
before, or was known. A stage counts as heavy unless it wants no GPU: runners are for the heavy ones, and the cheap go
where they are read or made.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pawl.scaling.contraction import contract
from pawl.schema import Plan, Side

MOST_LEVELS = 3
"""As many jobs as the workflow has for them."""
MOST_SHARES = 80
"""Of one level: GitHub makes at most 256 jobs of a run's matrices."""


@dataclass(frozen=True)
class Known:
    """What is known of one side before anything runs; each stage by its name."""

    upstream: Mapping[str, Sequence[str]]
    """The stages that each reads; in running order."""
    keys: Mapping[str, str | None]
    """DVC's run-cache keys as far as they are certain."""
    results: frozenset[str]
    """The stages whose results can be had."""
    filed: frozenset[str]
    """The stages whose results DVC files under a key, by which another runner finds them."""


@dataclass(frozen=True)
class Work:
    """A stage that has to run."""

    label: str
    """`head:NAME` or `base:NAME`."""
    upstream: tuple[str, ...]
    """Labels of the stages that it reads and that have to run too."""
    is_heavy: bool


Share = tuple[str, ...]
"""Labels, in an order in which one after the other could run."""


def label(side: Side, name: str) -> str:
    """What a share calls a stage."""
    return f"{side}:{name}"


def running(plan: Plan) -> set[str]:
    """Labels of all that the plan runs."""
    found = {label("head", stage.name) for stage in plan.stages if stage.action == "run"}
    return found | {label("base", stage.name) for stage in plan.stages if stage.base_action == "run"}


def makers(plan: Plan, head: Known, base: Known) -> dict[str, str]:
    """Label of a stage without a result -> label of the stage that makes it: head's, where base's has the same key.

    Left out is what one runner cannot make for another: stages without a key, and all that read them.
    """
    found: dict[str, str] = {}
    actions = {stage.name: (stage.action, stage.base_action) for stage in plan.stages}
    for side, known in _sides(head, base):
        for name in known.upstream:
            action, base_action = actions.get(name, ("", ""))
            own, of_head = label(side, name), label("head", name)
            key = known.keys.get(name)
            is_heads = of_head in found and key is not None and key == head.keys.get(name)
            if side == "base" and of_head in found and (is_heads or base_action != "run") and name not in base.results:
                found[own] = of_head  # by its key, or because the recipe is head's
                continue
            unread = [label(side, other) for other in known.upstream[name] if other not in known.results]
            runs = (action if side == "head" else base_action) == "run"
            if runs and name in known.filed and all(other in found for other in unread):
                found[own] = own
    return found


def works_of(plan: Plan, head: Known, base: Known, is_heavy: Callable[[str], bool]) -> list[Work]:
    """What the plan runs and can be shared, each stage once, behind those that it reads.

    `is_heavy` is asked by the stage's name.
    """
    made = makers(plan, head, base)
    works = []
    for side, known in _sides(head, base):
        for name, upstream in known.upstream.items():
            own = label(side, name)
            if made.get(own) == own:
                reads = [made[label(side, other)] for other in upstream if label(side, other) in made]
                works.append(Work(own, tuple(dict.fromkeys(reads)), is_heavy(name)))
    return works


def share_out(
    works: Sequence[Work], most_levels: int = MOST_LEVELS, most_shares: int = MOST_SHARES
) -> tuple[tuple[Share, ...], ...]:
    """The shares of each level; () where one runner alone would do as well.

    What fits into no level is left out, and so are cheap stages that no heavy one waits for: the job after the last
    level makes what is missing. Deterministic.
    """
    position = {work.label: place for place, work in enumerate(works)}
    is_heavy = [work.is_heavy for work in works]
    groups = contract([[position[other] for other in work.upstream] for work in works], is_heavy)
    depth: list[int] = []
    for group in groups:
        depth.append(max((depth[other] + 1 for other in group.upstream), default=0))
    levels = []
    for level in range(most_levels):
        members = [
            group.members for group, at in zip(groups, depth, strict=True) if at == level and group.is_waited_for
        ]
        joined = _balanced([(sum(is_heavy[one] for one in stages), stages) for stages in members], most_shares)
        levels.append(tuple(tuple(works[one].label for one in stages) for stages in joined))
    used = tuple(level for level in levels if level)
    return used if max(map(len, used), default=0) > 1 else ()


def only(plan: Plan, share: Sequence[str], head: Known, base: Known) -> tuple[Plan, list[str]]:
    """The plan with all left alone but those stages of `share` that have to run and can; labels of those that cannot.

    A stage cannot where something that it reads has no result, or where it has turned out to be the same as head's,
    which another runner makes.
    """
    made = makers(plan, head, base)
    wanted, kept, left = running(plan).intersection(share), set(), []
    for side, known in _sides(head, base):
        for name, upstream in known.upstream.items():
            own = label(side, name)
            if own not in wanted:
                continue
            missing = [label(side, other) for other in upstream if other not in known.results]
            if made.get(own) == own and all(made.get(other) in kept for other in missing):
                kept.add(own)
            elif made.get(own) not in kept:
                left.append(own)
    stages = []
    for stage in plan.stages:
        actions = {"action": "run" if label("head", stage.name) in kept else "unchanged"}
        if stage.base_action != "absent":
            actions["base_action"] = "run" if label("base", stage.name) in kept else "unneeded"
        stages.append(stage.model_copy(update=actions))
    return plan.model_copy(update={"stages": tuple(stages)}), left


def _sides(head: Known, base: Known) -> tuple[tuple[Side, Known], ...]:
    return (("head", head), ("base", base))


def _balanced(loads: Sequence[tuple[int, tuple[int, ...]]], most: int) -> list[tuple[int, ...]]:
    """Join shares, each with its load, to at most `most`: the largest first, each to the least loaded."""
    bins: list[list[int]] = [[] for _ in range(min(most, len(loads)))]
    queue = [(0, 0, index) for index in range(len(bins))]
    for load, members in sorted(loads, key=lambda one: (-one[0], -len(one[1]), one[1])):
        heavy, count, index = heapq.heappop(queue)
        bins[index] += members
        heapq.heappush(queue, (heavy + load, count + len(members), index))
    return sorted(tuple(sorted(members)) for members in bins)

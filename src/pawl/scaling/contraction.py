"""Stages that are better made on one machine, put together: a graph of stages becomes a smaller one of groups."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Group:
    """Stages that one machine makes."""

    members: tuple[int, ...]
    """Positions among the stages, in their order."""
    upstream: tuple[int, ...]
    """Positions, among the groups, of those whose results it reads; what leads there another way is left out."""
    is_waited_for: bool
    """Whether it has a heavy stage, or a group that needs it has one."""


@dataclass(frozen=True)
class _Node:
    """A group while it grows."""

    members: tuple[int, ...]
    upstream: list[int]
    downstream: list[int]
    """Of those that are waited for."""
    is_heavy: bool
    leads_to_heavy: bool


_Graph = Mapping[int, _Node]
_Rule = Callable[[_Graph, _Node], int | None]


def contract(reads: Sequence[Sequence[int]], is_heavy: Sequence[bool]) -> list[Group]:
    """The groups, each after those that it needs. `reads` has for each stage the positions of earlier ones.

    Until nothing changes, these go together: a cheap stage that no heavy one needs with the one group that it reads; a
    cheap one with the one group that needs it; a group with the one that it alone needs, if nothing else needs that;
    and cheap ones that several need with the one cheap group that they read.
    """
    owner = list(range(len(reads)))
    while True:
        graph = _graph(reads, owner, is_heavy)
        merges = next(filter(None, (_merges(graph, rule) for rule in (_tail, _lead, _chain, _trunk))), None)
        if merges is None:
            break
        # All at once: a rule leads either up or down, each group by its only way, so no circle can come of it.
        owner = [_end(merges, one) for one in owner]
    places = {name: place for place, name in enumerate(graph)}
    return [
        Group(
            node.members, tuple(sorted(places[other] for other in node.upstream)), node.is_heavy or node.leads_to_heavy
        )
        for node in graph.values()
    ]


def _tail(graph: _Graph, node: _Node) -> int | None:
    return node.upstream[0] if len(node.upstream) == 1 and not (node.is_heavy or node.leads_to_heavy) else None


def _lead(graph: _Graph, node: _Node) -> int | None:
    return node.downstream[0] if len(node.downstream) == 1 and not node.is_heavy else None


def _chain(graph: _Graph, node: _Node) -> int | None:
    return node.upstream[0] if len(node.upstream) == 1 and len(graph[node.upstream[0]].downstream) == 1 else None


def _trunk(graph: _Graph, node: _Node) -> int | None:
    is_cheap = len(node.upstream) == 1 and not node.is_heavy and not graph[node.upstream[0]].is_heavy
    return node.upstream[0] if is_cheap else None


def _merges(graph: _Graph, rule: _Rule) -> dict[int, int]:
    """Group -> the one that it becomes a part of."""
    found = {name: rule(graph, node) for name, node in graph.items()}
    return {name: other for name, other in found.items() if other is not None}


def _end(merges: Mapping[int, int], name: int) -> int:
    while name in merges:
        name = merges[name]
    return name


def _graph(reads: Sequence[Sequence[int]], owner: Sequence[int], is_heavy: Sequence[bool]) -> dict[int, _Node]:
    """The groups that stages belong to by `owner`, each after those that it needs."""
    members: dict[int, list[int]] = {}
    needs: dict[int, set[int]] = {}
    for stage, name in enumerate(owner):
        members.setdefault(name, []).append(stage)
        needs.setdefault(name, set()).update(owner[other] for other in reads[stage])
    for name, others in needs.items():
        others.discard(name)
    order = _in_order(needs, members)
    direct = _direct(order, needs)
    heavy = {name: any(is_heavy[stage] for stage in members[name]) for name in order}
    downstream: dict[int, list[int]] = {name: [] for name in order}
    leads: dict[int, bool] = {}
    for name in reversed(order):
        leads[name] = bool(downstream[name])
        if heavy[name] or leads[name]:
            for other in direct[name]:
                downstream[other].append(name)
    return {
        name: _Node(tuple(members[name]), direct[name], downstream[name], heavy[name], leads[name]) for name in order
    }


def _in_order(needs: Mapping[int, set[int]], members: Mapping[int, list[int]]) -> list[int]:
    """Each after those that it needs, otherwise in the order of their first stages."""
    waiting = {name: len(others) for name, others in needs.items()}
    needed_by: dict[int, list[int]] = {name: [] for name in needs}
    for name, others in needs.items():
        for other in others:
            needed_by[other].append(name)
    ready = [(members[name][0], name) for name, count in waiting.items() if not count]
    heapq.heapify(ready)
    order = []
    while ready:
        _, name = heapq.heappop(ready)
        order.append(name)
        for other in needed_by[name]:
            waiting[other] -= 1
            if not waiting[other]:
                heapq.heappush(ready, (members[other][0], other))
    if len(order) < len(needs):
        raise AssertionError("groups of stages need each other")
    return order


def _direct(order: Sequence[int], needs: Mapping[int, set[int]]) -> dict[int, list[int]]:
    """What each needs, less what one of those needs itself; in the order given."""
    bit = {name: 1 << place for place, name in enumerate(order)}
    above: dict[int, int] = {}
    direct = {}
    for name in order:
        indirect = 0
        for other in needs[name]:
            indirect |= above[other]
        direct[name] = sorted((other for other in needs[name] if not indirect & bit[other]), key=bit.__getitem__)
        above[name] = indirect | sum(bit[other] for other in direct[name])
    return direct

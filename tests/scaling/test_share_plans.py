"""What a plan gives runners to make, and what each of them makes of its share by its own plan."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pawl.scaling.shares import Known, Work, label, makers, only, share_out, works_of
from pawl.schema import Plan, Revision, StagePlan

NOTHING = Known({}, {}, frozenset(), frozenset())
REVISIONS = {"base": Revision(commit="b" * 40, name="main"), "head": Revision(commit="a" * 40, name="change")}


def plan_of(head: Known, base: Known, differing: set[str], same: set[str]) -> Plan:
    """As `make_plan` has it: recipes differ for `differing`; of the others base takes over what head makes."""
    head_runs, base_runs = _running(head, differing), _running(base, differing & set(base.upstream))
    planned = []
    for name in head.upstream:
        base_action = "absent" if name not in base.upstream else "run" if name in base_runs else "unneeded"
        if base_action == "run" and name in same and name in head_runs:
            base_action = "restore"
        planned.append(
            StagePlan(
                name=name,
                action="run" if name in head_runs else "restore" if name in differing else "unchanged",
                base_action=base_action,
                recipe_key=None,
                stage_key=None,
            )
        )
    return Plan(**REVISIONS, stages=tuple(planned))


def _running(known: Known, needed: set[str]) -> set[str]:
    runs: set[str] = set()
    for name in reversed(list(known.upstream)):
        if (name in needed or any(name in known.upstream[other] for other in runs)) and name not in known.results:
            runs.add(name)
    return runs


@st.composite
def situations(draw: st.DrawFn) -> tuple[Known, Known, set[str], set[str]]:
    """Head and base of a pipeline of which some results are known, some stages differ, and some have no key."""
    names = [f"s{index}" for index in range(draw(st.integers(1, 8)))]
    upstream = {
        name: tuple(draw(st.lists(st.sampled_from(names[:index]), unique=True, max_size=3))) if index else ()
        for index, name in enumerate(names)
    }
    some = st.sets(st.sampled_from(names))
    differing = draw(some)
    for name in names:
        if differing & set(upstream[name]):
            differing.add(name)
    same = set(names) - differing
    filed = frozenset(names) - draw(st.sets(st.sampled_from(names), max_size=1))
    of_both = draw(some) & same
    head = Known(upstream, {}, frozenset(draw(some) - same | of_both), filed)
    return head, replace(head, results=frozenset(draw(some) - same | of_both)), differing, same


@given(situations(), st.data())
def test_runners_make_each_stage_once_whoever_of_them_fails(
    situation: tuple[Known, Known, set[str], set[str]], data: st.DataObject
) -> None:
    head, base, differing, same = situation
    levels = share_out(works_of(plan_of(head, base, differing, same), head, base, lambda name: True))
    shares = [share for level in levels for share in level]
    dead = data.draw(st.sets(st.sampled_from(shares))) if shares else set()
    runs: Counter[str] = Counter()
    for level in levels:
        made: list[str] = []
        for share in level:
            # As each finds it out by itself, with what the levels before have made.
            own, left = only(plan_of(head, base, differing, same), share, head, base)
            todo = [label("head", s.name) for s in own.stages if s.action == "run"]
            todo += [label("base", s.name) for s in own.stages if s.base_action == "run"]
            assert sorted([*todo, *left]) == sorted(share)
            assert dead or not left
            there = {label("head", name) for name in head.results} | {label("base", name) for name in base.results}
            for one in todo:
                side, _, name = one.partition(":")
                assert {f"{side}:{other}" for other in head.upstream[name]} <= there
                there |= {one, label("base", name)} if name in same else {one}
            runs.update(todo if share not in dead else [])
            made += todo if share not in dead else []
        for one in made:
            side, _, name = one.partition(":")
            sides = ("head", "base") if side == "head" and name in same else (side,)
            head = replace(head, results=head.results | ({name} if "head" in sides else set()))
            base = replace(base, results=base.results | ({name} if "base" in sides else set()))
    assert all(count == 1 for count in runs.values())
    assert dead or set(runs) == {one for share in shares for one in share}


def pair(**changes: object) -> tuple[Plan, Known, Known]:
    """One stage that has to run on both sides."""
    known = Known({"train": ()}, {"train": "1" * 64}, frozenset(), frozenset({"train"}))
    return plan_of(known, known, {"train"}, set()), known, replace(known, **changes)  # type: ignore[arg-type]


def test_of_two_stages_with_one_key_one_is_made() -> None:
    plan, head, base = pair()
    assert makers(plan, head, base) == {"head:train": "head:train", "base:train": "head:train"}
    assert [work.label for work in works_of(plan, head, base, bool)] == ["head:train"]
    plan, head, other = pair(keys={"train": "2" * 64})
    assert [work.label for work in works_of(plan, head, other, bool)] == ["head:train", "base:train"]


def test_that_two_have_one_key_may_only_be_seen_by_their_runners() -> None:
    plan, head, base = pair()
    own, left = only(plan, ("base:train",), head, base)
    assert (own.stages[0].action, own.stages[0].base_action, left) == ("unchanged", "unneeded", ["base:train"])
    for share in (("head:train",), ("head:train", "base:train")):
        own, left = only(plan, share, head, base)
        assert (own.stages[0].action, own.stages[0].base_action, left) == ("run", "unneeded", [])


def test_what_head_and_base_have_in_common_is_made_by_head_unless_base_has_it() -> None:
    upstream = {"prepare": (), "train": ("prepare",)}
    head = Known(upstream, {}, frozenset(), frozenset(upstream))
    train = Work("head:train", ("head:prepare",), False)
    first = Work("head:prepare", (), False)
    works = works_of(plan_of(head, head, {"train"}, {"prepare"}), head, head, lambda name: False)
    assert works == [first, train, Work("base:train", ("head:prepare",), False)]
    base = replace(head, results=frozenset({"prepare"}))
    works = works_of(plan_of(head, base, {"prepare", "train"}, set()), head, base, lambda name: False)
    assert works == [first, train, Work("base:train", (), False)]


def test_what_is_known_by_now_is_neither_made_nor_missed() -> None:
    plan, head, base = pair(results=frozenset({"train"}))
    plan = plan_of(head, base, {"train"}, set())
    own, left = only(plan, ("head:train", "base:train"), head, base)
    assert (own.stages[0].action, own.stages[0].base_action, left) == ("run", "unneeded", [])


def test_a_result_without_a_key_and_what_reads_it_are_left_to_the_last_job() -> None:
    upstream = {"ask": (), "train": ("ask",), "other": ()}
    known = Known(upstream, {}, frozenset(), frozenset({"train", "other"}))
    works = works_of(plan_of(known, NOTHING, set(upstream), set()), known, NOTHING, bool)
    assert [work.label for work in works] == ["head:other"]

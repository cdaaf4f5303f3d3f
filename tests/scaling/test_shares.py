"""How the stages that have to run are shared out to runners."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pawl.scaling.shares import Share, Work, share_out

Levels = tuple[tuple[Share, ...], ...]


def task(name: str, *sides: str, data: bool = True) -> list[Work]:
    """The stages of one of this repository's tasks; its data are head's for both sides."""
    fetch, prepare = f"head:fetch@{name}", f"head:prepare@{name}"
    works = [Work(fetch, (), False), Work(prepare, (fetch,), False)] if data else []
    read = (prepare,) if data else ()
    for side in sides:
        train, evaluate = f"{side}:train@{name}", f"{side}:evaluate@{name}"
        works += [
            Work(train, read, True),
            Work(evaluate, (*read, train), True),
            Work(f"{side}:plot@{name}", (train,), False),
            Work(f"{side}:package@{name}", (*read, train), False),
        ]
    return works


def stages(side: str, name: str, *words: str) -> Share:
    return tuple(f"{side}:{word}@{name}" for word in words)


ALL = ("fetch", "prepare", "train", "evaluate", "plot", "package")


def test_independent_tasks_are_one_level_each_a_whole_chain() -> None:
    names = ["a", "b", "c", "d", "e", "f"]
    works = [work for name in names for work in task(name, "head")]
    assert share_out(works) == (tuple(stages("head", name, *ALL) for name in names),)


def test_base_is_made_beside_head_after_the_data_that_both_read() -> None:
    works = [work for name in "ab" for work in task(name, "head", "base")]
    assert share_out(works) == (
        tuple(stages("head", name, *ALL[:2]) for name in "ab"),
        tuple(stages(side, name, *ALL[2:]) for name in "ab" for side in ("head", "base")),
    )


def test_one_runner_is_enough_for_one_chain_and_for_what_wants_no_gpu() -> None:
    assert share_out(task("a", "head")) == ()
    assert share_out([Work(f"head:plot@{name}", (), False) for name in "abc"]) == ()
    assert share_out([]) == ()


def test_what_several_trainings_start_from_comes_first_if_heavy_too() -> None:
    works = [
        Work("head:pretrain", (), True),
        *(Work(f"head:tune{i}", ("head:pretrain",), True) for i in range(3)),
        Work("head:overview", tuple(f"head:tune{i}" for i in range(3)), False),
    ]
    assert share_out(works) == ((("head:pretrain",),), tuple((f"head:tune{i}",) for i in range(3)))


def test_data_of_one_training_alone_go_with_it() -> None:
    works = [Work("head:fetch", (), False)]
    for name in "ab":
        works.append(Work(f"head:prepare@{name}", ("head:fetch",), False))
        works.append(Work(f"head:train@{name}", (f"head:prepare@{name}",), True))
    assert share_out(works) == ((("head:fetch",),), tuple(stages("head", name, "prepare", "train") for name in "ab"))


def test_data_of_one_training_go_with_it_where_it_reads_more_than_these() -> None:
    works = [Work("head:words", (), False)]
    for name in "ab":
        works.append(Work(f"head:prepare@{name}", (), False))
        works.append(Work(f"head:train@{name}", ("head:words", f"head:prepare@{name}"), True))
    assert share_out(works) == ((("head:words",),), tuple(stages("head", name, "prepare", "train") for name in "ab"))


def test_what_is_drawn_of_a_training_goes_with_it() -> None:
    works = []
    for name in "ab":
        works += [Work(f"head:train@{name}", (), True), Work(f"head:plot@{name}", (f"head:train@{name}",), False)]
    assert share_out(works) == (tuple(stages("head", name, "train", "plot") for name in "ab"),)


def test_a_summary_of_all_leaves_each_as_it_is() -> None:
    works = [work for name in "ab" for work in task(name, "head", data=False)]
    works.append(Work("head:overview", ("head:plot@a", "head:plot@b"), False))
    assert share_out(works) == (tuple(stages("head", name, *ALL[2:]) for name in "ab"),)


def test_cheap_stages_that_many_read_are_one_level_however_they_follow() -> None:
    works = [Work("head:fetch", (), False)]
    for name in "ab":
        works.append(Work(f"head:prepare@{name}", ("head:fetch",), False))
        works += [Work(f"{side}:train@{name}", (f"head:prepare@{name}",), True) for side in ("head", "base")]
    first, second = share_out(works)
    assert first == (("head:fetch", "head:prepare@a", "head:prepare@b"),)
    assert second == tuple((f"{side}:train@{name}",) for name in "ab" for side in ("head", "base"))


def test_too_many_shares_are_joined_the_largest_apart() -> None:
    sizes = [5, 1, 1, 1, 1, 1]
    works = [
        Work(f"head:{chain}.{place}", (f"head:{chain}.{place - 1}",) if place else (), True)
        for chain, size in enumerate(sizes)
        for place in range(size)
    ]
    [level] = share_out(works, most_shares=2)
    assert level == (tuple(f"head:0.{place}" for place in range(5)), tuple(f"head:{chain}.0" for chain in range(1, 6)))


@st.composite
def graphs(draw: st.DrawFn) -> list[Work]:
    works: list[Work] = []
    for index in range(draw(st.integers(0, 14))):
        earlier = [work.label for work in works]
        upstream = draw(st.lists(st.sampled_from(earlier), unique=True, max_size=4)) if earlier else []
        works.append(Work(f"head:{index}", tuple(upstream), draw(st.booleans())))
    return works


def assert_sound(levels: Levels, works: Sequence[Work], most_levels: int, most_shares: int) -> set[str]:
    """No stage twice, none before what it reads, no more than allowed; all stages that are shared out."""
    assert len(levels) <= most_levels
    assert all(1 <= len(level) <= most_shares for level in levels)
    counts = Counter(one for level in levels for share in level for one in share)
    assert all(count == 1 for count in counts.values())
    upstream = {work.label: work.upstream for work in works}
    before: set[str] = set()
    for level in levels:
        for share in level:
            done: set[str] = set()
            for one in share:
                assert set(upstream[one]) <= before | done
                done.add(one)
        before.update(one for share in level for one in share)
    return before


@given(graphs(), st.integers(1, 4), st.integers(1, 5))
def test_each_stage_is_made_once_and_after_what_it_reads(works: list[Work], most_levels: int, most_shares: int) -> None:
    levels = share_out(works, most_levels, most_shares)
    assert_sound(levels, works, most_levels, most_shares)
    assert share_out(works, most_levels, most_shares) == levels


@given(graphs())
def test_nothing_heavy_is_left_where_there_are_levels_enough(works: list[Work]) -> None:
    levels = share_out(works, len(works) + 1, len(works) + 1)
    shared = assert_sound(levels, works, len(works) + 1, len(works) + 1)
    if levels:
        needed: set[str] = set()
        for work in reversed(works):
            if work.is_heavy or work.label in needed:
                needed |= {work.label, *work.upstream}
        assert needed <= shared
        assert max(map(len, levels)) > 1
    else:
        # The heavy stages are one chain.
        above: dict[str, set[str]] = {}
        for work in works:
            above[work.label] = set(work.upstream).union(*(above[other] for other in work.upstream))
        heavy = [work.label for work in works if work.is_heavy]
        assert all(one in above[other] for one, other in pairwise(heavy))

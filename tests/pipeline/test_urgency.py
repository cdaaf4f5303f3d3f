"""Where not all stages can run at once, the longest chain is begun first, by what base's results took."""

from __future__ import annotations

import doctest
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.pipeline_bound import critical_path_seconds
from pawl.pipeline import urgency
from pawl.pipeline.urgency import longest_paths
from tests.pipeline.dag import STEP, make_dag, outcomes, reproduce_all, runs, stage
from tests.support.repositories import branch

SHORT = "time.sleep(0.5)"
CHAIN_LAST = {
    "first": stage("first"),
    "a": stage("a", SHORT, after=["first"]),
    "b": stage("b", SHORT, after=["first"]),
    "c": stage("c", SHORT, after=["first"]),
    "before": stage("before", after=["first"]),
    "long": stage("long", "time.sleep(2)", after=["before"]),
}


def test_the_longest_chain_is_begun_first_whatever_its_place_in_the_file(tmp_path: Path) -> None:
    root = make_dag(tmp_path / "repository", CHAIN_LAST)
    reproduce_all(root, jobs=2)
    assert runs(root)[-1] == "long", "nothing was on record yet"
    branch(root, "change", {"step.py": f"{STEP}# for every stage\n"})
    assert set(outcomes(reproduce_all(root, jobs=2)).values()) == {"trained"}
    again = runs(root)[len(CHAIN_LAST) :]
    assert again.index("before") <= 2
    assert again[-1] in "abc", "the long one did not wait for what nothing waits for"


@st.composite
def graphs(draw: st.DrawFn) -> tuple[dict[str, float | None], dict[str, list[str]]]:
    names = [str(number) for number in range(draw(st.integers(1, 8)))]
    seconds = {name: draw(st.none() | st.floats(0, 100)) for name in names}
    above = {
        name: draw(st.lists(st.sampled_from(names[:number]), unique=True))
        for number, name in enumerate(names)
        if number
    }
    return seconds, above


@given(graphs())
def test_a_path_is_the_longest_of_what_follows(graph: tuple[dict[str, float | None], dict[str, list[str]]]) -> None:
    seconds, above = graph
    paths = longest_paths(seconds, above)
    assert list(paths) == list(seconds)
    known = [value for value in seconds.values() if value is not None]
    every = {
        name: value if value is not None else sum(known) / len(known) if known else 1.0
        for name, value in seconds.items()
    }
    for name in seconds:
        following = {name}
        for other in seconds:
            if following & set(above.get(other, ())):
                following.add(other)
        own = {other: every[other] for other in following}
        assert abs(paths[name] - critical_path_seconds(own, {k: v for k, v in above.items() if k != name})) < 1e-6
        assert all(paths[other] >= paths[name] for other in above.get(name, ()))


def test_the_example_holds() -> None:
    assert doctest.testmod(urgency).failed == 0

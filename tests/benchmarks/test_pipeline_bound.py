"""The bound that a schedule is held to: too low a one would make every schedule look bad, too high a one good."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.pipeline_bound import critical_path_seconds, least_seconds

DIAMOND = {"b": ["a"], "c": ["a"], "d": ["b", "c"]}


def test_longest_chain_counts_where_cores_are_many() -> None:
    seconds = {"a": 1.0, "b": 5.0, "c": 2.0, "d": 1.0}
    assert critical_path_seconds(seconds, DIAMOND) == 7.0
    assert least_seconds(seconds, DIAMOND, cores=8) == 7.0
    assert least_seconds(seconds, DIAMOND, cores=1) == 9.0


def test_a_stage_that_did_not_run_takes_no_time_but_keeps_the_order() -> None:
    assert critical_path_seconds({"a": 1.0, "d": 2.0}, DIAMOND) == 3.0


def test_no_stages_take_no_time() -> None:
    assert least_seconds({}, {}, cores=2) == 0.0


@st.composite
def pipelines(draw: st.DrawFn) -> tuple[dict[str, float], dict[str, list[str]]]:
    seconds = draw(st.lists(st.integers(0, 9).map(float), min_size=1, max_size=6))
    names = [str(number) for number in range(len(seconds))]
    upstream = {
        name: draw(st.lists(st.sampled_from(names[:number]), unique=True))
        for number, name in enumerate(names)
        if number
    }
    return dict(zip(names, seconds, strict=True)), upstream


@given(pipelines(), st.integers(1, 3))
def test_no_order_of_stages_ends_sooner(pipeline: tuple[dict[str, float], dict[str, list[str]]], cores: int) -> None:
    seconds, upstream = pipeline
    best = min(_makespan(order, seconds, upstream, cores) for order in itertools.permutations(seconds))
    assert least_seconds(seconds, upstream, cores) <= best + 1e-9
    if cores == 1:
        assert best == pytest.approx(least_seconds(seconds, upstream, cores))


def _makespan(order: tuple[str, ...], seconds: dict[str, float], upstream: dict[str, list[str]], cores: int) -> float:
    """When the last stage ends, where each takes the first core that is free, in this order."""
    free, ends = [0.0] * cores, {}
    for name in order:
        if any(other not in ends for other in upstream.get(name, ())):
            return float("inf")
        start = max([min(free), *(ends[other] for other in upstream.get(name, ()))])
        free[free.index(min(free))] = ends[name] = start + seconds[name]
    return max(ends.values())

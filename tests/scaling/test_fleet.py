"""The simulated schedule of a fleet: never better than possible, never worse than any list schedule may be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.fleet import copies_of, makespan_seconds
from benchmarks.pipeline_bound import critical_path_seconds, least_seconds

Pipeline = tuple[dict[str, float], dict[str, list[str]]]


@st.composite
def pipelines(draw: st.DrawFn) -> Pipeline:
    count = draw(st.integers(1, 12))
    seconds = {str(n): float(draw(st.integers(0, 50))) for n in range(count)}
    upstream = {str(n): [str(m) for m in range(n) if draw(st.booleans())] for n in range(count)}
    return seconds, upstream


@given(pipelines(), st.integers(1, 8))
def test_between_the_bound_and_grahams(pipeline: Pipeline, workers: int) -> None:
    seconds, upstream = pipeline
    found = makespan_seconds(seconds, upstream, workers)
    assert found >= least_seconds(seconds, upstream, workers) - 1e-9
    # Graham 1966: any schedule that leaves no worker idle while a stage is ready.
    critical = critical_path_seconds(seconds, upstream)
    assert found <= sum(seconds.values()) / workers + critical * (1 - 1 / workers) + 1e-9


@given(pipelines())
def test_one_worker_does_one_after_the_other(pipeline: Pipeline) -> None:
    seconds, upstream = pipeline
    found = makespan_seconds(seconds, upstream, 1, order_seconds=2.0)
    assert abs(found - sum(seconds.values()) - 2.0 * len(seconds)) < 1e-6


def test_the_one_that_orders_is_waited_for() -> None:
    seconds, upstream = copies_of({"a": 1.0, "b": 1.0}, {"b": ["a"]}, 10)
    # Ten results at once are taken back one after the other, half a second each; the last b is ordered after 6 s.
    assert makespan_seconds(seconds, upstream, 100, driver_seconds=0.5) == 11.0
    assert makespan_seconds(seconds, upstream, 100) == 2.0

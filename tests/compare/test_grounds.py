"""What a verdict rests on: the predictions before the metrics file, and luck before the numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.compare.gate import gate
from pawl.compare.headline import headline
from pawl.compare.rules import Rules
from pawl.compare.statistics.differences import Difference
from pawl.compare.values import Measured
from pawl.compare.verdict import Ground, judge
from pawl.config import parse_config
from pawl.errors import InputError
from pawl.schema import MetricComparison, MetricSpread, Noise
from tests.support.loop import measure
from tests.support.repositories import branch
from tests.verdicts.fixture import CONFIG, evaluate, make_fixture, params

WHERE = ("m.json", "accuracy")
DIFFERENCE = Difference(
    name="accuracy",
    direction="higher",
    base=0.9,
    head=0.8,
    difference=-0.1,
    standard_error=0.02,
    degrees_of_freedom=500.0,
    lower=-0.1393,
    upper=-0.0607,
    p_value=1e-6,
    detectable=0.056,
    method="bootstrap",
    examples=400,
    groups=None,
)


def moved(difference: float, half_width: float, p_value: float | None = None) -> Difference:
    """An interval around `difference`."""
    lower, upper = difference - half_width, difference + half_width
    p = p_value if p_value is not None else (0.001 if lower > 0 or upper < 0 else 0.4)
    return replace(DIFFERENCE, difference=difference, head=0.9 + difference, lower=lower, upper=upper, p_value=p)


def judged(found: Difference, rule: str = "primary: true", noise: Noise | None = None) -> MetricComparison:
    rules = Rules(None, parse_config(f"metrics:\n  '*:accuracy': {{{rule}}}\n", "test"), noise)
    sides = Measured(found.base, "ok"), Measured(found.head, "ok")
    return judge({WHERE: sides}, rules, set(), {WHERE: Ground(found)})[0]


@pytest.mark.parametrize(
    ("difference", "half_width", "rule", "verdict"),
    [
        (0.05, 0.02, "primary: true", "better"),
        (-0.05, 0.02, "primary: true", "worse"),
        (-0.05, 0.06, "primary: true", "no measurable change"),
        (-0.05, 0.02, "direction: lower, primary: true", "better"),
        (-0.05, 0.02, "primary: true, tolerance: 0.08", "no measurable change"),
        (-0.05, 0.02, "primary: true, tolerance: 0.06", "worse"),
        (0.05, 0.02, "primary: true, tolerance: 0.08", "no measurable change"),
        (-0.05, 0.06, "primary: true, tolerance: 0.01", "no measurable change"),
    ],
)
def test_the_interval_decides_and_a_tolerance_needs_to_hold_all_of_it(
    difference: float, half_width: float, rule: str, verdict: str
) -> None:
    metric = judged(moved(difference, half_width), rule)
    assert metric.verdict == verdict
    assert (metric.lower, metric.upper) == (difference - half_width, difference + half_width)


@pytest.mark.parametrize(
    ("difference", "half_width", "direction", "passes"),
    [
        (0.0, 0.005, "higher", True),
        (0.0, 0.02, "higher", False),
        (-0.008, 0.003, "higher", False),
        (0.05, 0.02, "higher", True),
        (0.0, 0.02, "lower", False),
        (-0.05, 0.02, "lower", True),
    ],
)
def test_non_inferiority_asks_to_be_shown(difference: float, half_width: float, direction: str, passes: bool) -> None:
    rule = f"direction: {direction}, primary: true, tolerance: 0.01, non_inferiority: true"
    metric = judged(moved(difference, half_width), rule)
    rules = Rules(None, parse_config(f"metrics:\n  '*:accuracy': {{{rule}}}\n", "test"))
    verdict, _ = headline((metric,), failed=[], changed=True, unchanged_paths=set())
    passed, reason = gate(verdict, (metric,), rules, set())
    assert passed is passes, reason


def test_non_inferiority_without_a_tolerance_is_refused() -> None:
    with pytest.raises(InputError, match="tolerance"):
        parse_config("metrics:\n  '*:accuracy': {primary: true, non_inferiority: true}\n", "test")


def test_of_many_described_metrics_one_small_p_value_is_no_alarm() -> None:
    keys = [f"recall:{i}" for i in range(20)]
    found = {("p.parquet", key): Ground(replace(moved(-0.05, 0.04, 0.02), name=key)) for key in keys}
    values = {where: (Measured(0.9, "ok"), Measured(0.85, "ok")) for where in found}
    metrics = judge(values, Rules(None, parse_config("", "test")), set(), found)
    assert {metric.verdict for metric in metrics} == {"no measurable change"}
    assert metrics[0].p_value == 0.02
    assert metrics[0].p_corrected == pytest.approx(0.4)
    assert "after correction for 20 metrics" in metrics[0].reason


def spread(sd: float) -> Noise:
    measured = MetricSpread(
        path=WHERE[0],
        key=WHERE[1],
        stage="evaluate",
        recipe_key=None,
        values=(0.9, 0.9),
        mean=0.9,
        standard_deviation=sd,
        count=10,
    )
    return Noise(commit="0" * 40, runs=(), metrics=(measured,))


def test_the_luck_of_the_seed_widens_the_interval_and_can_take_the_verdict_back() -> None:
    without, little, much = (judged(DIFFERENCE, noise=n) for n in (None, spread(0.001), spread(0.05)))
    assert (without.verdict, little.verdict, much.verdict) == ("worse", "worse", "no measurable change")
    assert without.seed_sd is None
    assert (little.seed_sd, much.seed_sd) == (0.001, 0.05)
    widths = [metric.upper - metric.lower for metric in (without, little, much) if metric.upper and metric.lower]
    assert widths == sorted(widths)


@given(st.floats(-1, 1), st.floats(1e-6, 1), st.floats(0, 1))
def test_a_larger_tolerance_never_makes_a_metric_worse(difference: float, half_width: float, tolerance: float) -> None:
    found = moved(difference, half_width)
    without, with_it = judged(found), judged(found, f"primary: true, tolerance: {tolerance:.9f}")
    assert with_it.verdict in (without.verdict, "no measurable change")


@given(st.floats(-1, 1), st.floats(1e-6, 1))
def test_exchanging_the_sides_exchanges_the_verdict(difference: float, half_width: float) -> None:
    opposite = {"better": "worse", "worse": "better"}
    there, back = judged(moved(difference, half_width)), judged(moved(-difference, half_width))
    assert back.verdict == opposite.get(there.verdict, there.verdict)


def accuracy_of(root: Path, change: dict[str, str], **choices: Any) -> tuple[MetricComparison, list[str]]:
    branch(root, "change", change)
    comparison = measure(root, **choices).comparison
    notes = [note for evidence in comparison.evidence for note in evidence.notes]
    return next(m for m in comparison.metrics if (m.path, m.key) == ("metrics.json", "accuracy")), notes


def test_predictions_count_where_the_metrics_file_says_something_else(tmp_path: Path) -> None:
    root = make_fixture(tmp_path / "repository", {"evaluate.py": evaluate().replace(".mean())", ".mean()) + 0.05")})
    metric, notes = accuracy_of(root, {"params.yaml": params(skill=0.6)})
    assert metric.verdict == "worse"
    assert metric.head is not None
    assert f"metrics.json:accuracy of head is {metric.head + 0.05:.6g} in its file" in " ".join(notes)


def test_predictions_that_cannot_be_read_are_not_passed_over_for_a_tolerance(tmp_path: Path) -> None:
    config = CONFIG.replace("primary: true", "primary: true, tolerance: 0.5")
    root = make_fixture(tmp_path / "repository", config=config)
    metric, _ = accuracy_of(root, {"train.py": 'open("model.json", "w").write(\'{"skill": 9, "seed": 1}\')\n'})
    assert (metric.verdict, metric.why_not) == ("not comparable", "nothing to pair")
    assert "score:" in metric.reason


def test_the_number_of_another_split_is_not_taken_for_the_test_splits(tmp_path: Path) -> None:
    writes = '{"accuracy": accuracy, "val": {"accuracy": 0.5}, "examples": len(table)}'
    code = evaluate().replace('{"accuracy": accuracy, "examples": len(table)}', writes)
    root = make_fixture(tmp_path / "repository", {"evaluate.py": code})
    branch(root, "change", {"params.yaml": params(skill=0.6)})
    metrics = {(m.path, m.key): m for m in measure(root).comparison.metrics}
    assert metrics["metrics.json", "accuracy"].verdict == "worse"
    assert metrics["metrics.json", "val.accuracy"].verdict == "no measurable change"
    assert metrics["metrics.json", "val.accuracy"].lower is None

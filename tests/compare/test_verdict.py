"""From numbers to words: direction, tolerance, what is missing, and what the gate makes of it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.compare.files import measured
from pawl.compare.gate import gate
from pawl.compare.headline import headline
from pawl.compare.rules import Rules
from pawl.compare.verdict import judge
from pawl.config import Config, guess_direction, parse_config
from pawl.schema import MetricComparison
from tests.support.loop import measure
from tests.support.repositories import FILES, branch, make_repository

RULES = """
metrics:
  '*:accuracy': {direction: higher, tolerance: 0.01, primary: true}
  '*:cost': {direction: lower, tolerance: 0}
"""


def judged(base: object, head: object, key: str = "accuracy") -> MetricComparison:
    rules = Rules(None, parse_config(RULES, "test"))
    return judge({("m.json", key): (measured(base), measured(head))}, rules, set())[0]


@pytest.mark.parametrize(
    ("base", "head", "key", "verdict"),
    [
        (0.90, 0.92, "accuracy", "better"),
        (0.90, 0.91, "accuracy", "no measurable change"),
        (0.91, 0.90, "accuracy", "no measurable change"),
        (0.90, 0.88, "accuracy", "worse"),
        (5.0, 4.0, "cost", "better"),
        (4.0, 5.0, "cost", "worse"),
        (4.0, 5.0, "examples", "no measurable change"),
        (0.9, math.nan, "accuracy", "not comparable"),
        (0.9, math.inf, "accuracy", "not comparable"),
        (math.nan, 0.9, "accuracy", "not comparable"),
        (0.9, "high", "accuracy", "not comparable"),
        (0.9, True, "accuracy", "not comparable"),
    ],
)
def test_verdict_of_one_metric(base: object, head: object, key: str, verdict: str) -> None:
    assert judged(base, head, key).verdict == verdict


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_exchanging_the_sides_exchanges_better_and_worse(base: float, head: float) -> None:
    opposite = {"better": "worse", "worse": "better", "no measurable change": "no measurable change"}
    assert judged(head, base).verdict == opposite[judged(base, head).verdict]


@given(st.one_of(st.floats(), st.none(), st.booleans(), st.text(max_size=5), st.integers()))
def test_only_a_finite_number_is_measured(value: object) -> None:
    finite = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    assert (measured(value).state == "ok") == finite
    assert (measured(value).value is not None) == finite


def test_the_headline_is_the_worst_primary_verdict() -> None:
    rules = Rules(None, parse_config("metrics:\n  '*:accuracy': {primary: true, tolerance: 0}\n", "test"))
    values = {("a/metrics.json", "accuracy"): (0.9, 0.95), ("b/metrics.json", "accuracy"): (0.9, 0.85)}
    metrics = judge({w: (measured(b), measured(h)) for w, (b, h) in values.items()}, rules, set())
    verdict, sentence = headline(metrics, failed=[], changed=True, unchanged_paths=set())
    assert verdict == "worse"
    assert sentence == "Worse: b accuracy 0.9 → 0.85 (\N{MINUS SIGN}0.05) (elsewhere a accuracy better)."


def test_a_task_that_nothing_touched_has_no_say_in_the_headline() -> None:
    rules = Rules(None, parse_config("metrics:\n  '*:accuracy': {primary: true, tolerance: 0}\n", "test"))
    values = {("a/metrics.json", "accuracy"): (0.9, 0.95), ("b/metrics.json", "accuracy"): (0.9, 0.9)}
    same = {"b/metrics.json"}
    metrics = judge({w: (measured(b), measured(h)) for w, (b, h) in values.items()}, rules, same)
    assert headline(metrics, failed=[], changed=True, unchanged_paths=same)[0] == "better"


@pytest.mark.parametrize(("base", "head"), [(0.9, math.nan), (0.9, None), (math.nan, 0.9), (0.9, math.inf), (0.9, 0.5)])
def test_the_gate_never_passes_a_missing_or_broken_or_worse_number(base: object, head: object) -> None:
    metrics = (judged(base, head),)
    verdict, _ = headline(metrics, failed=[], changed=True, unchanged_paths=set())
    passed, reason = gate(verdict, metrics, Rules(None, parse_config(RULES, "test")), set())
    assert not passed
    assert "accuracy" in reason


BEATS = "metrics:\n  '*:{key}': {{direction: {direction}, primary: true, beats: chance}}\n"


@pytest.mark.parametrize(
    ("key", "direction", "head", "chance", "reason"),
    [
        ("accuracy", "higher", 0.6, 0.5, "1 primary metric holds against base"),
        ("accuracy", "higher", 0.5, 0.5, "a accuracy 0.5 does not beat chance, 0.5"),
        ("accuracy", "higher", 0.4, 0.5, "a accuracy 0.4 does not beat chance, 0.5"),
        ("cost", "lower", 4.0, 5.0, "1 primary metric holds against base"),
        ("cost", "lower", 6.0, 5.0, "a cost 6 does not beat chance, 5"),
        (
            "accuracy",
            "higher",
            0.6,
            math.nan,
            "a accuracy has no chance beside it, which pawl.yaml says that it must beat",
        ),
        ("accuracy", "higher", 0.6, None, "a accuracy has no chance beside it, which pawl.yaml says that it must beat"),
    ],
)
def test_the_gate_stays_shut_for_what_one_gets_without_a_model(
    key: str, direction: str, head: float, chance: float | None, reason: str
) -> None:
    rules = Rules(None, parse_config(BEATS.format(key=key, direction=direction), "test"))
    values: dict[tuple[str, str], object] = {("a/metrics.json", key): head}
    if chance is not None:
        values["a/metrics.json", "chance"] = chance
    metrics = judge({where: (measured(value), measured(value)) for where, value in values.items()}, rules, set())
    verdict, _ = headline(metrics, failed=[], changed=True, unchanged_paths=set())
    passed, said = gate(verdict, metrics, rules, set())
    assert said == reason
    assert passed == ("holds" in reason)
    assert gate(verdict, metrics, rules, {"a/metrics.json"})[0], "what a branch does not touch is not held against it"


def test_primary_metrics_come_first_and_those_that_are_only_described_last() -> None:
    keys = ("rows", "cost", "n", "accuracy", "speed_loss")
    values = {("m.json", key): (measured(1.0), measured(2.0)) for key in keys}
    ordered = [metric.key for metric in judge(values, Rules(None, parse_config(RULES, "test")), set())]
    assert ordered == ["accuracy", "cost", "speed_loss", "rows", "n"]


def names_of(*wheres: tuple[str, str]) -> list[str]:
    metrics = judge({where: (measured(1.0), measured(2.0)) for where in wheres}, Rules(None, Config()), set())
    named = {(metric.path, metric.key): metric.name for metric in metrics}
    return [named[where] for where in wheres]


def test_a_metric_is_named_by_as_much_of_its_path_as_tells_it_apart() -> None:
    wheres = [(f"results/{task}/{file}.json", "n") for task in ("a", "b") for file in ("metrics", "data")]
    assert names_of(*wheres) == ["a n", "a/data n", "b n", "b/data n"]
    assert names_of(("results/a/data.json", "n"), ("metrics.json", "n")) == ["data n", "n"]
    assert names_of(("a/metrics.json", "n"), ("a/scores.json", "n")) == ["a/metrics.json n", "a/scores.json n"]


@given(st.sets(st.from_regex(r"([ab]/){0,3}(metrics|data|c)\.(json|yaml)", fullmatch=True), min_size=1))
def test_no_two_metrics_have_one_name(paths: set[str]) -> None:
    wheres = [(path, key) for path in sorted(paths) for key in ("n", "m")]
    assert len(set(names_of(*wheres))) == len(wheres)


def test_nothing_primary_gates_nothing_and_says_so() -> None:
    metrics = judge({("m.json", "accuracy"): (measured(0.9), measured(0.1))}, Rules(None, Config()), set())
    passed, reason = gate("worse", metrics, Rules(None, Config()), set())
    assert passed
    assert "no metric is marked primary in pawl.yaml" in reason


@pytest.mark.parametrize(
    ("name", "direction"),
    [("val_loss", "lower"), ("f1", "higher"), ("test/accuracy", "higher"), ("log-loss", "lower"), ("glossary", "none")],
)  # fmt: skip
def test_directions_are_guessed_from_whole_words(name: str, direction: str) -> None:
    assert guess_direction(name) == direction


@pytest.mark.parametrize(
    ("written", "state", "passes"),
    [("float('nan')", "nan", False), ("float('inf')", "infinite", False), ("None", "not a number", False)],
)
def test_a_broken_number_from_a_real_run_fails_the_gate(tmp_path: Path, written: str, state: str, passes: bool) -> None:
    config = "metrics:\n  'metrics.json:accuracy': {direction: higher, primary: true}\n"
    root = make_repository(tmp_path / "repository", config=config)
    branch(root, "broken", {"evaluate.py": FILES["evaluate.py"].replace("min(0.5 + value / 10, 1.0)", written)})
    measured_run = measure(root)
    metric = measured_run.metric("accuracy")
    assert (metric.head_state, metric.verdict) == (state, "not comparable")
    assert measured_run.comparison.gate_passed is passes


def test_a_metric_that_appears_is_new_and_one_that_disappears_fails_the_gate(tmp_path: Path) -> None:
    config = "metrics:\n  'metrics.json:accuracy': {direction: higher, primary: true}\n"
    root = make_repository(tmp_path / "repository", config=config)
    branch(root, "renamed", {"evaluate.py": FILES["evaluate.py"].replace('"accuracy"', '"accuracy_score"')})
    measured_run = measure(root)
    assert measured_run.metric("accuracy_score").reason == "new: base has no such metric"
    assert measured_run.metric("accuracy").reason == "on head it is missing"
    assert not measured_run.comparison.gate_passed


def test_a_metrics_file_that_no_stage_writes_any_more_fails_the_gate(tmp_path: Path) -> None:
    config = "metrics:\n  'metrics.json:*': {direction: higher, primary: true}\n"
    root = make_repository(tmp_path / "repository", config=config)
    pipeline = FILES["dvc.yaml"].split("  evaluate:")[0]
    branch(root, "without", {"dvc.yaml": pipeline})
    comparison = measure(root).comparison
    assert not comparison.gate_passed
    assert [(m.path, m.head_state) for m in comparison.metrics] == [("metrics.json", "missing")]

"""A first pawl.yaml: what names tell, which metric is proposed, and that any name can stand in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.config import parse_config
from pawl.init.outcome import Guess
from pawl.init.settings import guessed, settings_text


@pytest.mark.parametrize(
    ("metrics", "primary"),
    [
        (["m.json:loss", "m.json:accuracy"], "m.json:accuracy"),
        (["m.json:accuracy", "m.json:qwk"], "m.json:qwk"),
        (["m.json:train.accuracy", "m.json:val.loss", "m.json:test.loss"], "m.json:test.loss"),
        (["train_metrics.json:f1", "eval.json:rmse"], "eval.json:rmse"),
        (["m.json:majority_baseline_accuracy", "m.json:log_loss"], "m.json:log_loss"),
        (["m.json:accuracy", "n.json:accuracy"], "m.json:accuracy"),
        (["m.json:examples", "m.json:seconds"], None),
        ([], None),
    ],
)
def test_the_metric_that_is_proposed(metrics: list[str], primary: str | None) -> None:
    guesses = guessed([(path, key) for path, _, key in (metric.partition(":") for metric in metrics)])
    chosen = [f"{guess.path}:{guess.key}" for guess in guesses if guess.primary]
    assert chosen == ([primary] if primary else [])
    assert [f"{guess.path}:{guess.key}" for guess in guesses] == metrics


def test_a_baseline_is_shown_and_not_judged() -> None:
    [guess] = guessed([("m.json", "chance_f1")])
    assert guess.direction == "none"


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@given(st.lists(st.tuples(NAMES, NAMES), min_size=1, max_size=5, unique=True), NAMES, st.booleans())
def test_any_name_can_stand_in_it_and_its_rule_is_for_that_metric(
    metrics: list[tuple[str, str]], base: str, with_predictions: bool
) -> None:
    directions = ["higher", "lower", "none"]
    guesses = [
        Guess.model_validate({"path": path, "key": key, "direction": directions[n % 3], "primary": n == 0})
        for n, (path, key) in enumerate(metrics)
    ]
    config = parse_config(settings_text(base, guesses, has_predictions=with_predictions), "pawl.yaml")
    assert config.base == base
    assert len(config.metrics) == len({f"{path}:{key}" for path, key in metrics})
    rule = config.rule(*metrics[0])
    assert (rule.direction, rule.primary) == ("higher", True)
    assert rule.tolerance == (None if with_predictions else 0)


@given(NAMES)
def test_a_rule_is_for_no_other_metric(key: str) -> None:
    guess = Guess(path="m.json", key=key, direction="higher", primary=True)
    config = parse_config(settings_text("main", [guess], has_predictions=True), "pawl.yaml")
    assert not config.rule("m.json", f"{key}x").primary
    assert not config.rule("n.json", key).primary


def test_without_metrics_it_is_valid_and_says_what_to_do() -> None:
    text = settings_text("main", [], has_predictions=False)
    assert parse_config(text, "pawl.yaml").metrics == {}
    assert "dvc repro" in text

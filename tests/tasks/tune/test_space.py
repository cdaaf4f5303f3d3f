"""What a space may be, and the values that it holds."""

from __future__ import annotations

import importlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.common.stage.errors import TaskError
from tasks.tabular.train.run import Params
from tasks.tune.space import (
    Numbers,
    TuneParams,
    distributions,
    leaves,
    read_space,
    to_suggestion,
    to_values,
    with_values,
)
from tests.tasks.checkouts import REPOSITORY, TASKS, change_params
from tests.tasks.tune.studies import tasks, tune_block


@pytest.mark.parametrize(
    ("key", "domain", "words"),
    [
        ("train.c", {"low": 1, "high": 2}, 'names no parameter of tabular.train; did you mean "train.C"?'),
        ("prepare.seed", {"low": 1, "high": 2}, "names no parameter of tabular.train"),
        ("train.C", {"low": 0.0, "high": 2.0}, "has 0.0, which is no value of tabular.train.C"),
        ("train.model", {"choices": ["svc", "tree"]}, 'has "tree", which is no value of tabular.train.model'),
        ("train.epochs", {"low": 1.0, "high": 9.0}, "has 1.0, which is no value of tabular.train.epochs"),
        ("train.C", {"low": 2.0, "high": 1.0}, "low must be below high"),
        ("train.C", {"low": -1.0, "high": 1.0, "log": True}, "low must be above 0 where log is true"),
    ],
)
def test_a_space_that_cannot_be_searched_is_one_sentence(root, key, domain, words):
    change_params(root, {"tabular.tune": tune_block({key: domain})})
    with pytest.raises(TaskError) as caught:
        read_space(root, "tabular", Params)
    assert words in str(caught.value)
    assert key in str(caught.value)


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (None, 'the block "tabular.tune" is missing or is not a block of keys; add it.'),
        (tune_block(metric="accuracy"), "tabular.tune.metric"),
        ({**tune_block(), "trials": 3}, 'unknown key "tabular.tune.trials"'),
        ({**tune_block(), "space": {}}, "tabular.tune.space"),
    ],
)
def test_a_block_that_is_no_search_is_one_sentence(root, block, words):
    change_params(root, {"tabular.tune": block})
    with pytest.raises(TaskError) as caught:
        read_space(root, "tabular", Params)
    assert words in str(caught.value)


@pytest.mark.parametrize("task", TASKS)
def test_every_task_of_the_repository_has_a_space_around_what_it_is_trained_with(task):
    params = importlib.import_module(f"tasks.{task}.train.run").Params
    tune, block = read_space(REPOSITORY, task, params)
    assert to_suggestion(tune, block) is not None


def test_an_unknown_task_is_one_sentence(root):
    done = tasks(root, "tune", "tabula")
    assert done.returncode == 2
    assert done.stderr.endswith('did you mean "tabular"?\n')


def test_nested_keys_and_lists_are_values_like_others():
    block = {"a": 1, "trainer": {"precision": "auto", "threads": 2}, "units": [32]}
    assert leaves(block) == {"a": 1, "trainer.precision": "auto", "trainer.threads": 2, "units": [32]}
    changed = with_values(block, {"train.trainer.precision": "float32", "train.units": [8, 8]})
    assert changed == {"a": 1, "trainer": {"precision": "float32", "threads": 2}, "units": [8, 8]}
    assert block["trainer"] == {"precision": "auto", "threads": 2}
    tune = TuneParams.model_validate(tune_block({"train.units": {"choices": [[32], [8, 8]]}}))
    assert to_suggestion(tune, block) == {"train.units": "[32]"}
    assert to_values(tune, {"train.units": "[8, 8]"}) == {"train.units": [8, 8]}
    assert to_suggestion(tune, {**block, "units": [7]}) is None


@given(
    st.floats(1e-9, 1e9).flatmap(lambda low: st.tuples(st.just(low), st.floats(low * 1.001, low * 1e6))), st.randoms()
)
def test_numbers_are_short_and_within_their_bounds(bounds, rng):
    low, high = bounds
    tune = TuneParams(metric="val/loss", direction="minimize", space={"train.C": Numbers(low=low, high=high)})
    suggested = rng.uniform(low, high)
    value = to_values(tune, {"train.C": suggested})["train.C"]
    assert low <= value <= high
    assert value == pytest.approx(suggested, rel=1e-3)
    assert value in (low, high) or len(f"{value:.10g}".replace(".", "").lstrip("0").split("e")[0].rstrip("0")) <= 4


def test_whole_bounds_are_whole_numbers_for_optuna():
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    tune = TuneParams.model_validate(tune_block())
    assert distributions(tune) == {
        "train.C": FloatDistribution(0.0001, 10.0, log=True),
        "train.select_columns": IntDistribution(2, 40),
        "train.model": CategoricalDistribution(['"logistic_regression"', '"svc"']),
    }

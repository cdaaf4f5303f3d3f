"""The models themselves: units of columns, shapes, and eight rows learnt by heart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tasks.common.stage.run import run_stage
from tasks.tabular.model.pipeline import build_encoder
from tasks.tabular.train.run import _fit_at_once, _fit_mlp
from tests.tasks.checkouts import params_of


def test_numbers_have_mean_0_and_deviation_1_whatever_their_unit():
    metres = pd.DataFrame({"length": np.random.default_rng(0).normal(2, 5, 300)})
    millimetres = metres * 1000
    encoded = build_encoder(metres, 1).fit_transform(metres)
    assert (encoded.mean(), encoded.std()) == pytest.approx((0, 1), abs=1e-9)
    assert build_encoder(millimetres, 1).fit_transform(millimetres) == pytest.approx(encoded)


def test_the_network_has_the_layers_of_its_parameters_and_learns_eight_rows_by_heart(checkout):
    paths = checkout("tabular", {
        "tabular.train.model": "mlp", "tabular.train.hidden_units": [16, 5], "tabular.train.epochs": 300,
        "tabular.train.learning_rate": 0.01, "tabular.train.batch_size": 8,
    })  # fmt: skip
    inputs, targets = np.random.default_rng(0).normal(size=(8, 6)), np.arange(8) % 3
    history: list[dict[str, float]] = []
    model, _ = _fit_mlp(params_of(paths, "train"), (inputs, targets), (inputs, targets), history.append)
    assert [weights.shape for weights in model.coefs_] == [(6, 16), (16, 5), (5, 3)]
    assert sum(w.size for w in [*model.coefs_, *model.intercepts_]) == 7 * 16 + 17 * 5 + 6 * 3
    assert history[-1]["train/loss"] < history[0]["train/loss"] / 10
    assert history[-1]["train/accuracy"] == 1


@pytest.mark.parametrize("model", ["logistic_regression", "svc"])
def test_the_others_give_a_probability_to_every_class(checkout, model):
    params = params_of(checkout("tabular", {"tabular.train.model": model, "tabular.train.C": 100.0}), "train")
    rng = np.random.default_rng(0)
    targets = np.arange(60) % 3
    inputs = np.eye(3)[targets] + rng.normal(0, 0.05, (60, 3))
    fitted, best = _fit_at_once(params, (inputs, targets), (inputs, targets), lambda metrics: None)
    scores = fitted.predict_proba(inputs)
    assert scores.shape == (60, 3)
    assert scores.sum(axis=1) == pytest.approx(np.ones(60))
    assert best.validation()["accuracy"] == 1


def test_another_seed_is_another_builtin_table_of_the_same_measurements(checkout):
    tables = []
    for seed in (1, 2):
        paths = checkout("tabular", {"tabular.fetch.seed": seed})
        run_stage("fetch", "tabular", paths.root)
        tables.append(pd.read_csv(paths.raw / "table.csv"))
    one, other = tables
    noise = [name for name in one if name.startswith("noise_")]
    assert len(noise) == 40
    assert not np.isclose(one["noise_1"], other["noise_1"]).any()
    measured = [name for name in one if not name.startswith(("noise_", "copy_"))]
    assert one[measured].equals(other[measured])

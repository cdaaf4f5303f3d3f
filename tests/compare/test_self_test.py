"""`pawl gate --self-test`: the gate closes on predictions that were made worse on purpose, or the test fails."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pawl.compare.self_test import check_gate, worsen
from pawl.compare.statistics.differences import compare_pairs
from pawl.compare.statistics.pairing import pair_predictions
from pawl.compare.statistics.predictions import read_predictions
from pawl.session import Choices, open_session
from tests.compare.predictions import write_predictions, write_values
from tests.support.loop import measure
from tests.support.repositories import branch, pawl
from tests.verdicts.fixture import CONFIG, make_fixture, params, without_predictions


def lines_of(root: Path) -> tuple[bool, list[str]]:
    """The self-test after a run of the pull request at `root`."""
    measured = measure(root)
    session = open_session(Choices(root.absolute()), made=measured.plan)
    return check_gate(session.head, measured.stages, session.rules)


def test_a_gate_that_works_closes_and_leaves_the_results_alone(tmp_path: Path) -> None:
    root = make_fixture(tmp_path / "repository")
    branch(root, "better", {"params.yaml": params(skill=0.95)})
    assert pawl(root, "run", "--no-pictures").returncode == 0
    before = (root / "predictions.parquet").read_bytes()
    done = pawl(root, "gate", "--self-test")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pass: the gate closes on each of 1 worsened metrics" in done.stdout
    assert (root / "predictions.parquet").read_bytes() == before
    assert pawl(root, "gate").returncode == 0


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (CONFIG.replace("primary: true", "primary: true, tolerance: 0.9"), "OPEN"),
        (CONFIG.replace("direction: higher", "direction: lower"), "OPEN"),
        (CONFIG.replace(", primary: true", ""), "no primary metric"),
    ],
    ids=["tolerance", "direction", "nothing gated"],
)
def test_a_gate_that_lets_a_worse_model_in_is_found(tmp_path: Path, config: str, said: str) -> None:
    root = make_fixture(tmp_path / "repository", config=config)
    branch(root, "change", {"params.yaml": params(skill=0.9)})
    passed, lines = lines_of(root)
    assert not passed
    assert any(said in line for line in lines)


def test_a_metric_without_predictions_has_its_number_worsened(tmp_path: Path) -> None:
    config = CONFIG.replace("primary: true", "primary: true, tolerance: 0.01")
    root = make_fixture(tmp_path / "repository", without_predictions(), config=config)
    branch(root, "change", {"params.yaml": params(skill=0.9)})
    passed, lines = lines_of(root)
    assert passed
    assert "a number made worse" in lines[0]


@pytest.mark.parametrize("kind", ["classification", "values"])
def test_worsened_predictions_are_worse_in_every_metric(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "predictions.parquet"
    good = read_predictions(
        write_predictions(path, right=0.95) if kind == "classification" else write_values(path, mean=0.8)
    )
    bad = worsen(good)
    pairing = pair_predictions(good, bad)
    assert pairing.pair is not None
    for difference in compare_pairs(pairing.pair):
        worse = difference.difference < 0 if difference.direction == "higher" else difference.difference > 0
        assert worse, difference.name
    assert np.array_equal(good.ids, bad.ids)

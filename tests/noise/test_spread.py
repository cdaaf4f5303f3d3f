"""The file of the spreads: what is in it, and what is taken for it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pawl.config import Config, parse_config
from pawl.errors import InputError
from pawl.noise.spread import read_noise, spreads, write_noise
from pawl.schema import Noise, NoiseRun

KEY = "a" * 64
MADE_BY = {"m.json": ("evaluate", KEY), "n.json": ("judge", None)}


def made(*trainings: dict[tuple[str, str], float]) -> Noise:
    runs = tuple(NoiseRun(seeds={"params.yaml:train.seed": i}) for i in range(len(trainings)))
    return Noise(commit="c" * 40, runs=runs, metrics=spreads(trainings, MADE_BY))


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=1, max_size=20))
def test_spreads_are_numpys_over_the_values_that_are_there(values: list[float | None]) -> None:
    noise = made(*({} if value is None else {("m.json", "f1"): value} for value in values))
    present = [value for value in values if value is not None]
    if len(present) < 2:
        assert noise.metrics == ()
        return
    (metric,) = noise.metrics
    assert metric.values == tuple(values)
    assert (metric.count, metric.stage, metric.recipe_key) == (len(present), "evaluate", KEY)
    assert metric.mean == pytest.approx(np.mean(present), abs=1e-6)
    assert metric.standard_deviation == pytest.approx(np.std(present, ddof=1), rel=1e-6, abs=1e-6)


def test_no_number_counts_that_is_none() -> None:
    where = ("m.json", "loss")
    assert made({where: float("inf")}, {where: float("nan")}, {where: 1.0}).metrics == ()


def test_what_is_written_is_read_and_absent_is_none(tmp_path: Path) -> None:
    noise = made({("m.json", "a"): 1.0, ("n.json", "b"): 2.0}, {("m.json", "a"): 3.0, ("n.json", "b"): 2.0})
    config = parse_config("noise: {file: settings/spread.json}", "pawl.yaml")
    assert read_noise(tmp_path, config) is None
    assert write_noise(tmp_path, config, noise) == tmp_path / "settings" / "spread.json"
    assert read_noise(tmp_path, config) == noise
    assert read_noise(tmp_path, Config()) is None


@pytest.mark.parametrize(
    "change",
    [
        {"schema_version": 2},
        {"commit": "main"},
        {"more": 1},
        {"metrics": [{"path": "m.json"}]},
        {"runs": [{"seeds": {"a": "1"}}]},
    ],
)
def test_another_thing_is_named_with_what_to_do(tmp_path: Path, change: dict[str, object]) -> None:
    noise = json.loads(made({("m.json", "a"): 1.0}, {("m.json", "a"): 3.0}).model_dump_json())
    (tmp_path / "noise.json").write_text(json.dumps(noise))
    assert read_noise(tmp_path, Config()) is not None
    (tmp_path / "noise.json").write_text(json.dumps(noise | change))
    with pytest.raises(InputError, match=r"noise\.json is not what `pawl noise` writes .*: run it again"):
        read_noise(tmp_path, Config())


@given(st.binary(max_size=100))
def test_any_bytes_are_noise_or_refused(data: bytes) -> None:
    with pytest.raises(ValidationError):
        Noise.model_validate_json(data)


@pytest.mark.parametrize("file", ["../noise.json", "/tmp/noise.json", "a/../../noise.json", "noise.txt"])
def test_the_file_lies_in_the_repository(file: str) -> None:
    with pytest.raises(InputError, match=r'"noise\.file" is'):
        parse_config(f"noise: {{file: {file}}}", "pawl.yaml")


@pytest.mark.parametrize(
    ("text", "nearest"),
    [("noise: {seed: [x]}", "seeds"), ("cost: {per_hour: 1, curency: EUR}", "currency")],
)
def test_an_unknown_key_names_the_nearest(text: str, nearest: str) -> None:
    with pytest.raises(InputError, match=f'did you mean "{nearest}"'):
        parse_config(text, "pawl.yaml")

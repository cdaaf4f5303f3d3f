"""The values that seeds are given, and which parameters are seeds."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.errors import InputError
from pawl.noise.seeds import other_seeds, seed_parameters
from pawl.pipeline.plan import look_over
from pawl.pipeline.project import Project, open_project
from pawl.pipeline.remote import Remote
from tests.support.repositories import make_repository

OWN = st.dictionaries(st.text(max_size=5), st.integers(-5, 2_000), min_size=1, max_size=4)


@given(OWN, st.integers(1, 40), st.integers(0, 40))
def test_seeds_differ_from_each_other_and_from_the_own_and_more_keep_the_first(
    own: dict[str, int], few: int, more: int
) -> None:
    seeds = other_seeds(own, few)
    assert other_seeds(own, few + more)[:few] == seeds
    assert all(list(values) == list(own) for values in seeds)
    for name, present in own.items():
        assert len({present, *(values[name] for values in seeds)}) == few + 1


def opened(tmp_path: Path, params: str) -> Project:
    pipeline = """
stages:
  split: {cmd: python train.py, deps: [train.py], params: [a.prepare], outs: [split.txt]}
  train:
    cmd: python train.py
    deps: [train.py, split.txt]
    params: [a.train, other.json: [train_seed]]
    outs: [model.txt]
"""
    files = {"dvc.yaml": pipeline, "params.yaml": params, "other.json": '{"train_seed": 9, "train_more_seed": 8}'}
    project = open_project(make_repository(tmp_path / "repository", files))
    look_over(project, Remote(project, enabled=False))
    return project


def test_seeds_are_what_stages_read_and_patterns_name(tmp_path: Path) -> None:
    params = "a: {prepare: {seed: 1}, train: {seed: 4, net: {seed: 5, depth: 2}}}\nunread: {train: {seed: 3}}\n"
    project = opened(tmp_path, params)
    assert seed_parameters(project, ["*:*train*seed*"]) == {
        "other.json:train_seed": 9,
        "params.yaml:a.train.net.seed": 5,
        "params.yaml:a.train.seed": 4,
    }
    assert seed_parameters(project, ["params.yaml:a.train.seed"]) == {"params.yaml:a.train.seed": 4}
    with pytest.raises(InputError, match=r"matches noise\.seeds \(x:\*, y\): .* pawl\.yaml"):
        seed_parameters(project, ["x:*", "y"])


@pytest.mark.parametrize("value", ["true", "null", "1.5", "auto", "[1, 2]"])
def test_a_seed_that_is_no_whole_number_is_named(tmp_path: Path, value: str) -> None:
    project = opened(tmp_path, f"a: {{prepare: {{seed: 1}}, train: {{seed: {value}}}}}\n")
    with pytest.raises(InputError, match=r"^params\.yaml:a\.train\.seed is .*, and a seed must be a whole number"):
        seed_parameters(project, ["*:a.train.*"])

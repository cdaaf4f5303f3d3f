"""The best values in params.yaml: the values change, and nothing else."""

from __future__ import annotations

import shutil

import pytest
from ruamel.yaml import YAML

from tasks.common.stage.errors import TaskError
from tasks.tune.space import (
    leaves,
)
from tasks.tune.write_params import write_values
from tests.tasks.checkouts import REPOSITORY

PARAMS = """\
# Top.
tasks: [a]   # listed
a:
  train:
    # A number.
    rate: 1e-3  # small
    units:
      - 16
      - 32   # the last

    # Next.
    name: 'plain text'
    inner: {x: 1, y: [1, 2]}
    other: &shared 5
    alias: *shared
"""


@pytest.mark.parametrize(
    ("values", "old", "new"),
    [
        ({"a.train.rate": 0.02}, "1e-3", "0.02"),
        ({"a.train.rate": 1e-05}, "1e-3", "1e-05"),
        ({"a.train.units": [8]}, "- 16\n      - 32", "[8]"),
        ({"a.train.name": 'it\'s "é"'}, "'plain text'", '"it\'s \\"é\\""'),
        ({"a.train.inner.y": [3]}, "[1, 2]", "[3]"),
        ({"a.train.inner.x": None}, "x: 1", "x: null"),
        ({"a.train.inner.x": True}, "x: 1", "x: true"),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_only_the_value_itself_changes(tmp_path, values, old, new, newline):
    path = tmp_path / "params.yaml"
    path.write_bytes(PARAMS.replace("\n", newline).encode())
    assert write_values(tmp_path, values) == list(values)
    assert path.read_bytes().decode() == PARAMS.replace(old, new).replace("\n", newline)
    assert write_values(tmp_path, values) == []


def test_several_values_change_at_once_and_equal_ones_do_not(tmp_path):
    (tmp_path / "params.yaml").write_text(PARAMS)
    assert write_values(tmp_path, {"a.train.rate": 0.5, "a.train.name": "n", "a.train.inner.x": 1}) == [
        "a.train.rate",
        "a.train.name",
    ]
    assert (tmp_path / "params.yaml").read_text() == PARAMS.replace("1e-3", "0.5").replace("'plain text'", '"n"')


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("a.train.alias", "shares its value"),
        ("a.train.other", "shares its value"),
        ("a.train.rat", "is missing; add it"),
    ],
)
def test_a_value_that_stands_elsewhere_is_left_alone(tmp_path, key, words):
    (tmp_path / "params.yaml").write_text(PARAMS)
    with pytest.raises(TaskError, match=words):
        write_values(tmp_path, {key: 6})
    assert (tmp_path / "params.yaml").read_text() == PARAMS


def test_every_value_of_the_repository_can_be_written(tmp_path):
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    text = (tmp_path / "params.yaml").read_text()
    content = YAML(typ="safe", pure=True).load(text)
    keys = [f"{task}.train.{key}" for task in content["tasks"] for key in leaves(content[task]["train"])]
    assert write_values(tmp_path, dict.fromkeys(keys, "changed")) == keys
    old, new = text.splitlines(), (tmp_path / "params.yaml").read_text().splitlines()
    different = [b.split(":")[1] for a, b in zip(old, new, strict=True) if a != b]
    assert different == [' "changed"'] * len(keys)

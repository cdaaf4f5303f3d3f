"""KEY=VALUE words in place of values in params.yaml."""

from __future__ import annotations

import copy
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field
from ruamel.yaml import YAML

from tasks.common.learning.stage_key import stage_key
from tasks.common.stage.errors import TaskError
from tasks.common.stage.overrides import apply_overrides, keys_of
from tasks.common.stage.params import StageParams, read_params
from tasks.common.stage.paths import TaskPaths
from tasks.common.stage.run import run_stage

CONTENT = """
tasks: [pets]
pets:
  prepare:
    seed: 1
  train:
    epochs: 10
    rate: 0.1
    framework: torch
    layers: [8, 16]
    # Here a key is called like its stage.
    train: 1
    data:
      num_workers: 0
"""


class Data(StageParams):
    """A block in the block."""

    num_workers: Annotated[int, Field(ge=0)]


class Params(StageParams):
    """The block."""

    epochs: Annotated[int, Field(ge=1)]
    rate: float
    framework: Literal["torch", "tensorflow"]
    layers: list[int]
    train: int
    data: Data


@pytest.fixture
def root(tmp_path):
    (tmp_path / "params.yaml").write_text(CONTENT)
    return tmp_path


def read(root, *words: str) -> Params:
    return read_params(root, "pets", "train", Params, words)


@pytest.mark.parametrize("key", ["epochs", "train.epochs", "pets.train.epochs"])
def test_a_key_may_be_written_with_its_stage_and_task_or_without(root, key):
    assert read(root, f"{key}=3") == read(root).model_copy(update={"epochs": 3})


def test_a_key_is_looked_for_under_the_task_before_the_stage(root):
    assert read(root, "train=7").train == 7
    assert read(root, "train.train=8").train == 8
    assert read(root, "data.num_workers=2").data.num_workers == 2
    assert read(root, "train.data.num_workers=3").data.num_workers == 3


@pytest.mark.parametrize(
    ("word", "key", "value"),
    [
        ("rate=1e-3", "rate", 0.001),
        ("rate=2", "rate", 2),
        ("framework=tensorflow", "framework", "tensorflow"),
        ("layers=[1, 2, 3]", "layers", [1, 2, 3]),
        ("framework='torch'", "framework", "torch"),
    ],
)
def test_a_value_is_yaml_as_in_the_file(root, word, key, value):
    assert getattr(read(root, word), key) == value


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["epochs"], '"epochs" is no KEY=VALUE; write it like train.epochs=VALUE.'),
        (["=3"], '"=3" is no KEY=VALUE; write it like train.epochs=VALUE.'),
        (["epoch=3"], 'unknown key "epoch" for the stage train of pets; did you mean "epochs"?'),
        (
            ["data.num_worker=3"],
            'unknown key "data.num_worker" for the stage train of pets; did you mean "data.num_workers"?',
        ),
        (["layers.0=3"], 'unknown key "layers.0" for the stage train of pets; did you mean "layers"?'),
        (
            ["prepare.seed=2"],
            '"prepare.seed" is no key of the stage train; give it to the command: tasks prepare pets.',
        ),
        (
            ["epochs=3", "train.epochs=4"],
            '"train.epochs=4" sets pets.train.epochs again, after "epochs=3"; leave one of them out.',
        ),
        (
            ["layers=[1"],
            '"layers=[1": the value is not valid YAML; put it in quotes, inside those of the shell.',
        ),
        (["epochs=many"], '"epochs=many": pets.train.epochs must be a whole number, but is "many"; change it.'),
        (["epochs=1.5"], '"epochs=1.5": pets.train.epochs must be a whole number, but is 1.5; change it.'),
        (
            ["epochs=0"],
            '"epochs=0": pets.train.epochs is 0: input should be greater than or equal to 1; change it.',
        ),
        (["layers=[1, b]"], '"layers=[1, b]": pets.train.layers.1 must be a whole number, but is "b"; change it.'),
        (
            ["data={workers: 1}"],
            '"data={workers: 1}": the key "pets.train.data.num_workers" is missing; add it.',
        ),
        (["rate="], '"rate=": pets.train.rate must be a number, but is null; change it.'),
    ],
)
def test_what_is_wrong_with_a_word_is_said_in_one_sentence(root, words, sentence):
    with pytest.raises(TaskError) as caught:
        read(root, *words)
    assert str(caught.value) == sentence


def test_an_error_in_the_file_is_not_blamed_on_another_word(root):
    (root / "params.yaml").write_text(CONTENT.replace("rate: 0.1", "rate: fast"))
    with pytest.raises(TaskError) as caught:
        read(root, "epochs=3")
    assert str(caught.value) == 'params.yaml: pets.train.rate must be a number, but is "fast"; change it.'


@given(data=st.data())
def test_a_word_changes_its_key_and_no_other(data):
    content: dict[str, Any] = YAML(typ="safe", pure=True).load(CONTENT)
    before = copy.deepcopy(content)
    key = data.draw(st.sampled_from(sorted(keys_of(content["pets"]["train"]))))
    value = data.draw(st.integers())
    prefix = data.draw(st.sampled_from(["", "train.", "pets.train."]))
    # The key that is called like the stage is the stage's block only with more behind it.
    assert apply_overrides(content, "pets", "train", [f"{prefix}{key}={value}"]) == {
        f"pets.train.{key}": f"{prefix}{key}={value}"
    }
    *parents, last = key.split(".")
    changed, place = content["pets"]["train"], before["pets"]["train"]
    for parent in parents:
        changed, place = changed[parent], place[parent]
    assert changed[last] == value
    place[last] = value
    assert content == before


def test_a_run_with_other_values_has_no_key_of_the_committed_ones(root, monkeypatch):
    monkeypatch.setenv("PAWL_STAGE_KEY", "0123456789abcdef" * 4)
    assert stage_key(TaskPaths(root, "pets"), "train") == "0123456789abcdef" * 4
    assert stage_key(TaskPaths(root, "pets", overridden=True), "train") is None


def test_a_stage_without_parameters_takes_no_words(root):
    with pytest.raises(TaskError, match='"size=3": the stage plot has no parameters; leave it out'):
        run_stage("plot", "pets", root, ["size=3"])

from __future__ import annotations

from typing import Any

import pytest
from ruamel.yaml import YAML

from tasks.common.stage.errors import TaskError
from tasks.common.stage.params import read_tasks
from tests.tasks.checkouts import REPOSITORY, params_of

WRONG = {int: "many", float: "much", str: 7, list: "none"}


def keys_of(repository_params: dict[str, Any]) -> list[tuple[str, Any]]:
    found = []
    for task in repository_params["tasks"]:
        for stage, block in repository_params[task].items():
            found += [(f"{task}.{stage}.{key}", value) for key, value in block.items()]
    return found


def all_keys() -> list[tuple[str, Any]]:
    return keys_of(YAML(typ="safe", pure=True).load(REPOSITORY / "params.yaml"))


def read(paths, dotted):
    return params_of(paths, dotted.split(".")[1])


@pytest.mark.parametrize(("dotted", "value"), all_keys())
def test_every_key_is_needed_and_has_a_type(checkout, dotted, value):
    task = dotted.split(".")[0]
    with pytest.raises(TaskError, match=r"params\.yaml") as caught:
        read(checkout(task, {dotted: WRONG[type(value)]}), dotted)
    assert dotted in str(caught.value)
    assert str(WRONG[type(value)]) in str(caught.value)
    with pytest.raises(TaskError) as caught:
        read(checkout(task, {dotted: None}), dotted)
    assert str(caught.value) == f'params.yaml: the key "{dotted}" is missing; add it.'


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"digits.train.learning_rat": 1},
            'params.yaml: unknown key "digits.train.learning_rat"; did you mean "learning_rate"?',
        ),
        (
            {"digits.train.learning_rate": "fast"},
            'params.yaml: digits.train.learning_rate must be a number, but is "fast"; change it.',
        ),
        (
            {"digits.train.epochs": True},
            "params.yaml: digits.train.epochs must be a whole number, but is true; change it.",
        ),
        (
            {"digits.train.epochs": 0},
            "params.yaml: digits.train.epochs is 0: input should be greater than or equal to 1; change it.",
        ),
        (
            {"digits.train.framework": "jax"},
            "params.yaml: digits.train.framework is \"jax\": input should be 'torch' or 'tensorflow'; change it.",
        ),
        (
            {"digits.train.learning_rate": float("nan")},
            "params.yaml: digits.train.learning_rate must be a finite number, but is NaN; change it.",
        ),
        (
            {"digits.train.channels": [16, "b"]},
            'params.yaml: digits.train.channels.1 must be a whole number, but is "b"; change it.',
        ),
        ({"digits.train": 3}, 'params.yaml: the block "digits.train" is missing or is not a block of keys; add it.'),
        ({"digits": None}, 'params.yaml: the block "digits" is missing or is not a block of keys; add it.'),
        ({"tasks": ["digit"]}, 'params.yaml: "tasks" does not list "digits"; did you mean "digit"?'),
        ({"tasks": []}, 'params.yaml: "tasks" must be a list of task names; write for example: tasks: [digits].'),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(checkout, changes, sentence):
    with pytest.raises(TaskError) as caught:
        read(checkout("digits", changes), "digits.train")
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("builtn", "tabular.fetch.source is \"builtn\": input should be 'builtin'"),
        ({"path": "a.csv"}, 'the key "tabular.fetch.source.target" is missing'),
        ({"path": 3, "target": "t"}, "tabular.fetch.source.path must be a text, but is 3"),
        (
            {"path": "a.csv", "target": "t", "sha": "0"},
            'unknown key "tabular.fetch.source.sha"; did you mean "sha256"?',
        ),
    ],
)
def test_a_source_is_checked_as_what_it_looks_like(checkout, source, words):
    with pytest.raises(TaskError) as caught:
        read(checkout("tabular", {"tabular.fetch.source": source}), "tabular.fetch")
    assert words in str(caught.value)


def test_numbers_are_those_of_yaml_1_2_as_dvc_reads_them(checkout):
    paths = checkout("digits")
    file = paths.root / "params.yaml"
    file.write_text(file.read_text().replace("learning_rate: 0.001", "learning_rate: 1e-3"))
    assert params_of(paths, "train").learning_rate == 0.001


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "does not exist"),
        (b"tasks: [a\n", "not valid YAML at line"),
        (b"a: 1\na: 2\n", "not valid YAML at line 2"),
        (b"- a\n", "must hold keys and values"),
        (b"", "must hold keys and values"),
        (b"\xff\xfe", "not UTF-8"),
        (b"a: !!python/object:os.system x\n", "not valid YAML"),
    ],
)
def test_a_broken_file_is_one_sentence(tmp_path, content, words):
    if content is not None:
        (tmp_path / "params.yaml").write_bytes(content)
    with pytest.raises(TaskError, match=r"params\.yaml") as caught:
        read_tasks(tmp_path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_key_of_the_repository_has_a_comment_above_it():
    lines = (REPOSITORY / "params.yaml").read_text().splitlines()
    keys = [number for number, line in enumerate(lines) if line.startswith("    ") and ":" in line and "#" not in line]
    assert len(keys) == len(all_keys())
    assert [lines[n] for n in keys if not lines[n - 1].strip().startswith("#")] == []

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field
from ruamel.yaml import YAML

from tasks.commands.parameters import kind_of, stage_parameters
from tasks.common.sources.source import FolderSource
from tasks.common.stage.errors import TaskError
from tasks.common.stage.params import check_task, read_tasks
from tests.tasks.checkouts import REPOSITORY, TASKS, params_of

WRONG = {int: "many", float: "much", str: 7, list: "none", bool: "perhaps", type(None): [0], dict: "no block"}


def all_keys(*, with_search_spaces: bool = False) -> Iterator[tuple[str, Any, int]]:
    """Every key of every stage's block of the repository: dotted, with its value and the number of its line, from 0."""
    text = (REPOSITORY / "params.yaml").read_text()
    # The round-trip loader knows the lines, and which blocks are values on one line.
    content, values = YAML().load(text), YAML(typ="safe", pure=True).load(text)
    for task in (name for name in values if name != "tasks"):
        for stage in values[task]:
            if stage != "tune" or with_search_spaces:
                yield from _walk(content[task][stage], values[task][stage], f"{task}.{stage}.")


def _walk(block: Any, values: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any, int]]:
    for key, value in values.items():
        yield f"{prefix}{key}", value, block.lc.key(key)[0]
        if isinstance(value, dict) and not block[key].fa.flow_style():
            yield from _walk(block[key], value, f"{prefix}{key}.")


def read(paths, dotted):
    return params_of(paths, dotted.split(".")[1])


@pytest.mark.parametrize(("dotted", "value"), [(dotted, value) for dotted, value, _ in all_keys()])
def test_every_key_is_needed_and_has_a_type(checkout, dotted, value):
    task = dotted.split(".")[0]
    others = {other: None for other in TASKS if other != task}  # A short file is read soon.
    with pytest.raises(TaskError, match=r"params\.yaml") as caught:
        read(checkout(task, {dotted: WRONG[type(value)], **others}), dotted)
    assert dotted in str(caught.value)
    assert str(WRONG[type(value)]) in str(caught.value)
    with pytest.raises(TaskError) as caught:
        read(checkout(task, {dotted: None, **others}), dotted)
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
    found = list(all_keys(with_search_spaces=True))
    assert len(found) > 200
    assert [dotted for dotted, _, line in found if not lines[line - 1].strip().startswith("#")] == []


@pytest.mark.parametrize(("task", "stage"), sorted({tuple(dotted.split(".")[:2]) for dotted, _, _ in all_keys()}))
def test_the_help_of_a_stage_lists_every_key_with_value_type_and_comment(task, stage):
    listed = {parameter.key: parameter for parameter in stage_parameters(REPOSITORY, task, stage)}
    prefix = f"{task}.{stage}."
    leaves = {d.removeprefix(prefix): (v, n) for d, v, n in all_keys() if d.startswith(prefix)}
    lines = (REPOSITORY / "params.yaml").read_text().splitlines()
    assert set(listed) <= set(leaves)
    for key, (value, line) in leaves.items():
        # A block is listed by the keys in it.
        if key in listed:
            assert listed[key].value == value
            assert listed[key].comment.endswith(lines[line - 1].strip("# "))
            assert listed[key].kind
        else:
            assert any(other.startswith(f"{key}.") for other in listed)


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (int, "whole number"),
        (Annotated[int, Field(ge=1, le=9)], "whole number from 1 to 9"),
        (Annotated[float, Field(gt=0, lt=0.5)], "number above 0 below 0.5"),
        (bool, "true or false"),
        (str, "text"),
        (str | None, "text, or null"),
        (Literal["auto", True, False], "auto, true or false"),
        (Literal["builtin"], "builtin"),
        (
            Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=2)],
            "list of whole number from 1, at least 2 of them",
        ),
        (
            Annotated[Annotated[Literal["builtin"], "tag"] | Annotated[FolderSource, "tag"], "x"],
            "builtin, or {path, sha256}",
        ),
    ],
)
def test_a_type_is_said_in_words(annotation, words):
    assert kind_of(annotation) == words


@pytest.mark.parametrize("tasks", [[], "digits", [1]])
def test_the_list_of_tasks_is_a_list_of_names(checkout, tasks):
    root = checkout("digits", {"tasks": tasks}).root
    with pytest.raises(TaskError, match='"tasks" must be a list of task names'):
        read_tasks(root)
    check_task(root, "pets")
    with pytest.raises(TaskError, match=r'"petz" is no task in .*; did you mean "pets"'):
        check_task(root, "petz")

"""What people type into a dispatch: what is meant is done, and nothing else can be."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.actions.wishes import Wishes, wishes_of, with_data_revision, with_task_list
from pawl.errors import InputError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_each_input_is_taken() -> None:
    given_inputs = {
        "tasks": "digits pets",
        "overrides": "a.b=1  'c.d=[16, 32]'\ne=x other.yaml:f.g=2",
        "data_revision": "dv2",
        "base": " v1.0 ",
        "seeds": "3",
        "force": True,
        "rescore": "false",
        "pull_request": "#42",
        "commit": COMMIT,
        "dry_run": "true",
    }
    assert wishes_of(given_inputs) == Wishes(
        tasks=("digits", "pets"),
        overrides=("a.b=1", "c.d=[16, 32]", "e=x", "other.yaml:f.g=2"),
        data_revision="dv2",
        base="v1.0",
        seeds=3,
        force=True,
        rescore=False,
        pull_request=42,
        commit=COMMIT,
        dry_run=True,
    )


@pytest.mark.parametrize("base", ["main~1", "v1.0", "feature/x+y", "HEAD^", "main~2^", COMMIT])
def test_a_base_is_whatever_names_a_commit(base: str) -> None:
    assert wishes_of({"base": base}).base == base


def test_empty_inputs_wish_nothing() -> None:
    empty = dict.fromkeys(("tasks", "overrides", "data_revision", "base", "seeds", "pull_request", "commit"), "")
    assert wishes_of(empty | {"force": "false", "dry_run": False, "rescore": "true"}) == wishes_of({}) == Wishes()


@pytest.mark.parametrize(
    "inputs",
    [
        {"overrides": "epochs"},
        {"overrides": "'a=1"},
        {"overrides": "--all=1"},
        {"overrides": "=1"},
        {"overrides": "../params.yaml:a=1"},
        {"overrides": "a=1 --force"},
        {"overrides": "a=" + "1" * 5_000},
        {"overrides": "a=\x00"},
        {"overrides": " ".join(f"a{n}=1" for n in range(101))},
        {"tasks": "digits;rm"},
        {"tasks": "--help"},
        {"base": "--upload-pack=x"},
        {"base": "a..b"},
        {"base": "a~1..b"},
        {"base": "~1"},
        {"data_revision": "dv2~1"},
        {"base": "main:x"},
        {"base": "HEAD@{1}"},
        {"data_revision": "dv2\nx: 1"},
        {"seeds": "-1"},
        {"seeds": "51"},
        {"seeds": "1e3"},
        {"seeds": "٣"},
        {"pull_request": "42"},
        {"commit": COMMIT},
        {"commit": COMMIT[:10], "pull_request": "42"},
        {"commit": COMMIT.upper(), "pull_request": "42"},
        {"force": "yes"},
        {"forse": "true"},
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused_with_its_input_named(inputs: dict[str, str]) -> None:
    with pytest.raises(InputError) as caught:
        wishes_of(inputs)
    assert next(iter(inputs)) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_misspelt_input_names_the_nearest() -> None:
    with pytest.raises(InputError, match='did you mean "force"'):
        wishes_of({"forse": "true"})


KEYS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)
VALUES = st.text(st.characters(min_codepoint=32, blacklist_categories=("Cs",)), max_size=20)


@given(st.lists(st.tuples(KEYS, VALUES), max_size=8))
def test_every_override_arrives_as_it_was_meant(pairs: list[tuple[str, str]]) -> None:
    overrides = tuple(f"{key}={value}" for key, value in pairs)
    assert wishes_of({"overrides": shlex.join(overrides)}).overrides == overrides


@given(st.sampled_from(["tasks", "overrides", "data_revision", "base", "commit"]), st.text(max_size=60))
def test_nothing_typed_begins_as_an_option_would(name: str, text: str) -> None:
    try:
        found = wishes_of({name: text})
    except InputError:
        return
    words = (*found.tasks, *found.overrides, found.data_revision or "x", found.base or "x")
    assert not any(word.startswith("-") for word in words)


@pytest.mark.parametrize(
    "inputs",
    [{"tasks": "digits"}, {"overrides": "a=1"}, {"data_revision": "dv2"}, {"base": "v1"}, {"dry_run": "true"}],
    ids=str,
)
def test_a_wish_that_changes_what_is_measured_does_not_decide_the_gate(inputs: dict[str, str]) -> None:
    assert wishes_of(inputs).changes_what_is_measured
    assert not wishes_of(
        {"force": "true", "seeds": "3", "pull_request": "1", "commit": COMMIT}
    ).changes_what_is_measured


def test_tasks_and_data_become_the_overrides_that_they_stand_for() -> None:
    parameters: dict[str, Any] = {
        "tasks": ["a", "b", "c"],
        "a": {"data": {"path": "x", "rev": "dv1"}},
        "b": {"data_version": "dv1"},
        "c": {"revolutions": 3},
    }
    both = with_data_revision(with_task_list(Wishes(data_revision="dv2")), parameters)
    assert both.overrides == ('a.data.rev="dv2"', 'b.data_version="dv2"')
    one = with_data_revision(with_task_list(Wishes(tasks=("b",), data_revision="dv2", overrides=("z=1",))), parameters)
    assert one.overrides == ('b.data_version="dv2"', 'tasks=["b"]', "z=1")
    other = with_data_revision(Wishes(tasks=("c",), data_revision="dv2"), parameters)
    assert other.overrides == both.overrides
    with pytest.raises(InputError, match="data_revision"):
        with_data_revision(Wishes(data_revision="dv2"), {"c": parameters["c"]})
    assert with_data_revision(Wishes(), parameters) == Wishes()

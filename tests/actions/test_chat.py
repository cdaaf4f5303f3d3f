"""Commands in comments: which words are one, and what they start."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.actions.chat import Command, inputs_for, is_command, parse
from pawl.actions.wishes import wishes_of
from pawl.errors import InputError

HEAD = "a" * 40


@pytest.mark.parametrize("body", ["/pawl", "/pawl train", "/pawl\ttrain", "/pawl train\r\nplease", "/pawl\nhm"])
def test_a_comment_that_begins_with_the_word_is_a_command(body: str) -> None:
    assert is_command(body)


@pytest.mark.parametrize(
    "body", ["", " /pawl train", "> /pawl train", "/pawls", "/PAWL train", "a\n/pawl train", None, 1]
)
def test_no_other_comment_is(body: object) -> None:
    assert not is_command(body)


def test_the_three_commands() -> None:
    assert parse("/pawl train a.b=5 'c=[1, 2]'\nThanks") == Command("train", ("a.b=5", "c=[1, 2]"))
    assert parse("/pawl rerun") == Command("rerun")
    assert parse("/pawl rerun force") == Command("rerun", force=True)
    assert parse(f"/pawl explain a=1 commit={HEAD}") == Command("explain", ("a=1",), commit=HEAD)


@pytest.mark.parametrize(
    "body",
    [
        "/pawl",
        "/pawl dance",
        "/pawl train epochs",
        "/pawl train 'a=1",
        "/pawl train --force",
        "/pawl rerun a=1",
        "/pawl train force",
        "/pawl train commit=abc",
        f"/pawl train commit={HEAD} commit={HEAD}",
    ],
)
def test_what_is_no_command_says_how_to_write_one(body: str) -> None:
    with pytest.raises(InputError, match=r"/pawl train|is not KEY=VALUE"):
        parse(body)


def pull(full_name: str | None) -> dict[str, Any]:
    return {"number": 7, "head": {"sha": HEAD, "repo": full_name and {"full_name": full_name}}}


def test_a_command_starts_a_dispatch_at_the_present_head() -> None:
    inputs = inputs_for(parse("/pawl train a.b=5 'c=x y'"), pull("acme/ct"), "acme/ct")
    found = wishes_of(inputs)
    assert (found.overrides, found.pull_request, found.commit) == (("a.b=5", "c=x y"), 7, HEAD)
    assert wishes_of(inputs_for(parse("/pawl rerun force"), pull("acme/ct"), "acme/ct")).force
    assert wishes_of(inputs_for(parse("/pawl explain"), pull("acme/ct"), "acme/ct")).dry_run


@pytest.mark.parametrize("fork", ["somebody/ct", None])
def test_a_fork_needs_the_commit_that_was_read(fork: str | None) -> None:
    with pytest.raises(InputError, match="comes from a fork"):
        inputs_for(parse("/pawl train"), pull(fork), "acme/ct")
    with pytest.raises(InputError, match="read what is new"):
        inputs_for(parse(f"/pawl train commit={'b' * 40}"), pull(fork), "acme/ct")
    assert inputs_for(parse(f"/pawl train commit={HEAD}"), pull(fork), "acme/ct")["commit"] == HEAD


@given(st.text(max_size=80))
def test_whatever_is_written_ends_in_a_valid_dispatch_or_a_sentence(text: str) -> None:
    try:
        inputs = inputs_for(parse(f"/pawl {text}"), pull("acme/ct"), "acme/ct")
    except InputError:
        return
    assert wishes_of(inputs).commit == HEAD

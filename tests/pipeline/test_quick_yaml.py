"""Plain YAML read quickly: what is read is what DVC's parser reads, and what is not read is left to it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML, YAMLError

from pawl.pipeline.quick_yaml import NotPlainError, parse_plain, use_quick_yaml

ODD = [
    "no",
    "on",
    "off",
    "y",
    "True",
    "TRUE",
    "null",
    "~",
    "",
    "1e-3",
    "1e3",
    ".5",
    "5.",
    "+1",
    "-",
    "010",
    "0o17",
    "0x1F",
]
ODD += [
    "0b11",
    "1_000",
    "12:30:45",
    "2020-01-01",
    ".inf",
    "-.inf",
    ".nan",
    "=",
    "<<",
    "*a",
    "&a b",
    "!t c",
    "- d",
    "? e",
]
ODD += ["a #b", "#c", "'d'", '"e\\n"', "|", ">", "[f", "{g", "h: i", "@j", "`k", "%l", "ü", "\u2028", "m\tn", "1e400"]
words = st.sampled_from(ODD) | st.text(alphabet="0123456789eE+-._xob:?,#'\" ayn", max_size=6)


def lines(tree: Any, indent: int = 0) -> list[str]:
    """The tree as people write it, without quotes where there are none in it."""
    pad = "  " * indent
    if isinstance(tree, dict):
        found = []
        for key, value in tree.items():
            inner = lines(value, indent + 1) if isinstance(value, dict) else None
            found += [f"{pad}{key}:", *inner] if inner else [f"{pad}{key}: {flow(value)}"]
        return found
    return [pad + flow(tree)]


def flow(tree: Any) -> str:
    if isinstance(tree, list):
        return f"[{', '.join(map(flow, tree))}]"
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{key}: {flow(value)}" for key, value in tree.items()) + "}"
    return str(tree)


trees = st.recursive(
    words, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3), max_leaves=8
)


def same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, dict):
        return isinstance(theirs, dict) and list(ours) == list(theirs) and all(same(ours[k], theirs[k]) for k in ours)
    if isinstance(ours, list):
        return isinstance(theirs, list) and len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(ours, float) and math.isnan(ours):
        return isinstance(theirs, float) and math.isnan(theirs)
    return type(ours) is type(theirs) and ours == theirs


@settings(max_examples=600)
@given(st.dictionaries(words, trees, min_size=1, max_size=4))
def test_what_is_read_is_what_dvcs_parser_reads(tree: dict[str, Any]) -> None:
    text = "\n".join(lines(tree)) + "\n"
    try:
        ours = parse_plain(text)
    except NotPlainError:
        return
    try:
        theirs = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise AssertionError(f"read as {ours!r} what DVC refuses: {text!r}") from error
    assert same(ours, theirs), text


@pytest.mark.parametrize(
    "text",
    [
        "a: &x 1\nb: *x\n",
        "a: !!str 1\n",
        "a: |\n  b\n",
        "a: 2020-01-01\n",
        "a: 1\na: 2\n",
        "a: 1\n---\nb: 2\n",
        "%YAML 1.1\n---\na: no\n",
        "a: [12:30]\n",
        "a: 0x1F\n",
        "a:\tb\n",
        "<<: {a: 1}\n",
        "a: [\n",
    ],
)
def test_what_is_not_plain_is_left_to_dvc(text: str) -> None:
    with pytest.raises(NotPlainError):
        parse_plain(text)


def test_plain_text_is_read_here_and_dvc_uses_it() -> None:
    text = "stages:\n  train:\n    cmd: python train.py --rate 1e-3\n    deps: [a.py, 'b: c']\n    n: 3\n    ok: true\n"
    expected = {"cmd": "python train.py --rate 1e-3", "deps": ["a.py", "b: c"], "n": 3, "ok": True}
    assert parse_plain(text) == {"stages": {"train": expected}}
    use_quick_yaml()
    from dvc.utils import strictyaml
    from dvc.utils.serialize import parse_yaml
    from dvc.utils.serialize._yaml import parse_yaml as inner

    assert inner.is_quick  # type: ignore[attr-defined]
    assert strictyaml.parse_yaml is inner
    assert inner(text, "dvc.yaml") == parse_yaml(text, "dvc.yaml") == parse_plain(text)
    assert inner("a: [12:30]\n", "params.yaml") == {"a": ["12:30"]}

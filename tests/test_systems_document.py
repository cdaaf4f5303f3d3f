"""docs/systems.md names only files and tests that are there, and shows or disclaims every item."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "systems.md"
TEXT = PAGE.read_text(encoding="utf-8")
TASKS = ("retinopathy", "prostate", "posters", "tabular", "pets", "digits")
LINK = re.compile(r"\]\(([^)\s]+)\)")
TEST = re.compile(r"`(tests/[\w/.]+\.py)::(test_\w+)`")
LATER = "not yet"


def table_rows() -> list[tuple[str, ...]]:
    """The cells of each row of each table, without headers and rules."""
    rows, is_header = [], False
    for line, following in zip(TEXT.splitlines(), [*TEXT.splitlines()[1:], ""], strict=True):
        is_header = following.startswith("|-") or following.startswith("| -")
        if line.startswith("|") and not is_header and not set(line) <= set("|-: "):
            rows.append(tuple(cell.strip() for cell in line.strip("|").split("|")))
    return rows


@functools.cache
def functions_of(path: Path) -> frozenset[str]:
    """The functions of a module, not those within others."""
    return frozenset(
        node.name for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)
    )


def test_every_link_leads_to_a_file_of_this_repository() -> None:
    links = LINK.findall(TEXT)
    assert len(links) > 50
    gone = [link for link in links if not (PAGE.parent / link.partition("#")[0]).resolve().exists()]
    assert gone == []
    assert all((PAGE.parent / link).resolve().is_relative_to(ROOT) for link in links)


@pytest.mark.parametrize(("file", "name"), sorted(set(TEST.findall(TEXT))))
def test_every_test_that_is_named_is_there(file: str, name: str) -> None:
    assert (ROOT / file).is_file()
    assert name in functions_of(ROOT / file)


def test_every_mention_of_a_test_is_one_that_is_checked() -> None:
    mentions = re.findall(r"tests/[^\s|`]*", TEXT)
    assert mentions == [f"{file}::{name}" for file, name in TEST.findall(TEXT)]


def test_every_item_has_a_place_and_a_test_or_is_said_to_be_missing() -> None:
    rows = table_rows()
    assert len(rows) > 80
    for row in rows:
        assert len(row) == 3, row
        _, where, shown = row
        if where.startswith(LATER):
            assert shown == "", row
        else:
            assert TEST.search(shown), row
            assert LATER not in where, row


def test_every_task_has_its_section() -> None:
    headings = re.findall(r"^## (\w+)", TEXT, re.MULTILINE)
    assert [name for name in headings if name in TASKS] == list(TASKS)
    blocks = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    assert set(TASKS) == set(blocks) - {"tasks"}

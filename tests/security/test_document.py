"""docs/security.md names a guard and a test for each requirement, and they exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.security.workflows import ROOT

DOCUMENT = ROOT / "docs" / "security.md"
REQUIRED = [
    "no `pull_request_target`",
    "no expression inside `run:`",
    "`permissions: {}` on top and the least per job, a reason beside each",
    "actions pinned by commit",
    "the train job read-only",
    "`persist-credentials: false`",
    "no secret, token or cloud credential in a stage's environment",
    "the order pull -> drop credentials -> train -> hand over",
    "report job reads the bundle as hostile: allow-listed names",
    "no links or `..`",
    "size and count limits",
    "strict schema",
    "PNG re-encoded",
    "pull request number and commit from the event, never from the bundle",
    "own comment by mark and author",
    "two DVC remotes (main read-only for pull requests)",
    "settings from outside the checkout",
    "`verify = true`",
    "changed `.dvc/config` refused",
    "forged run-cache entry refused",
    "forks never on the GPU but by exact-commit dispatch that checks that the commit still is the head",
    "event payloads as a decision table",
    "`requirements.txt` hash-locked",
    "Google access by workload identity federation only",
    "no JSON keys",
]


def rows() -> dict[str, tuple[str, str]]:
    """Requirement -> (guard, tests) of the one table with these three columns."""
    lines = iter(DOCUMENT.read_text(encoding="utf-8").splitlines())
    assert "| requirement | guard | test |" in lines
    next(lines)
    found = {}
    for line in lines:
        if not line.startswith("|"):
            break
        requirement, guard, tests = (cell.strip() for cell in line.strip("|").split("|"))
        assert requirement not in found
        found[requirement] = (guard, tests)
    return found


def functions(path: Path) -> set[str]:
    """The names of the functions that a file of tests defines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("requirement", REQUIRED)
def test_every_requirement_has_a_row(requirement: str) -> None:
    assert requirement in rows()


@pytest.mark.parametrize("requirement", rows())
def test_the_tests_of_a_row_exist(requirement: str) -> None:
    guard, tests = rows()[requirement]
    assert guard
    named = re.findall(r"`([^`]+)`", tests)
    assert named
    assert re.sub(r"`[^`]+`", "", tests).strip(" ,") == ""
    for one in named:
        path, _, name = one.partition("::")
        assert name.startswith("test_"), one
        assert name in functions(ROOT / path), one


@pytest.mark.parametrize("requirement", rows())
def test_the_files_of_a_guard_exist(requirement: str) -> None:
    for name in re.findall(r"`([\w./*-]+/[\w./*-]*|[\w*-]+\.(?:txt|yml|py))`", rows()[requirement][0]):
        folders = (".", ".github/workflows", "src/pawl/actions")
        assert any(list(ROOT.joinpath(folder).glob(name.rstrip("/"))) for folder in folders), name


def test_the_identities_are_bound_as_the_exchange_is_tested() -> None:
    """What the fake of Google holds as its bindings is what a maintainer is told to type."""
    text = DOCUMENT.read_text(encoding="utf-8")
    tested = (ROOT / "tests" / "security" / "test_google.py").read_text(encoding="utf-8")
    assert "assertion.ref == 'refs/heads/main' && assertion.job_workflow_ref == '$PROMOTE' ? 'yes' : 'no'" in text
    assert 'PROMOTE="$REPOSITORY/.github/workflows/promote.yml@refs/heads/main"' in text
    assert "attribute.repository/$REPOSITORY" in text
    assert "attribute.writes/yes" in text
    assert 'google.bind("reader@acme", READER, repository="acme/ct")' in tested
    assert 'google.bind("writer@acme", WRITER, ref=MAIN, job_workflow_ref=PROMOTE)' in tested
    assert "--attribute-condition=\"assertion.repository == '$REPOSITORY'\"" in text
    for role in ("roles/storage.objectViewer", "roles/storage.objectUser"):
        assert role in text
    assert ".json" not in "".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))


def test_every_file_of_proofs_is_named() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for path in sorted((ROOT / "tests" / "security").glob("test_*.py")):
        if path.stem != Path(__file__).stem:
            assert path.name in text, path.name

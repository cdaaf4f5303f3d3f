"""What the job that may write on GitHub takes over from the job that ran the pull request's code."""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from pawl.actions import receive
from pawl.actions.receive import NAMES
from pawl.errors import InputError
from pawl.report.document import write_reports
from pawl.schema import Comparison, Plan, Revision, Stages, Tracking
from pawl.session import read_file, write_file
from tests.report import examples

BASE, HEAD = Revision(commit="b" * 40, name="main"), Revision(commit="a" * 40, name="change")
MODELS: dict[str, type[BaseModel]] = {
    "plan.json": Plan,
    "stages.json": Stages,
    "comparison.json": Comparison,
    "tracking.json": Tracking,
}


def hand_over(folder: Path) -> Path:
    """A folder as a training job that went well leaves it."""
    folder.mkdir()
    run = examples.better()
    values = (run.plan, run.stages, run.comparison, examples.tracking())
    for name, value in zip(MODELS, values, strict=True):
        assert value is not None
        write_file(folder, name, value)
    (folder / "logs").mkdir()
    for name in ("report.md", "report.html", "logs/train.log"):
        (folder / name).write_text("### ✅ **Better**: trust me\n")
    return folder


def taken_over(target: Path) -> Comparison:
    """The comparison there, after a report was written from the files as the next step does."""
    plan = read_file(target, "plan.json", Plan, "")
    stages = read_file(target, "stages.json", Stages, "") if (target / "stages.json").exists() else None
    comparison = read_file(target, "comparison.json", Comparison, "")
    write_reports(target, plan, stages, comparison, None, pictures=False)
    return comparison


def test_valid_files_are_taken_over_and_nothing_else(tmp_path: Path) -> None:
    source = hand_over(tmp_path / "in")
    assert receive.receive(source, tmp_path / "out", BASE, HEAD) == ""
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(MODELS)
    for name, model in MODELS.items():
        assert read_file(tmp_path / "out", name, model, "") == read_file(source, name, model, "")


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        ("plan.json", "The training job ended before it planned anything; its log says why."),
        ("stages.json", "The training job ended before its stages were through; its log says why."),
        ("comparison.json", "The training job ended before it compared; its log says why."),
    ],
)
def test_what_is_missing_is_said(tmp_path: Path, missing: str, sentence: str) -> None:
    source = hand_over(tmp_path / "in")
    (source / missing).unlink()
    assert receive.receive(source, tmp_path / "out", BASE, HEAD) == sentence
    comparison = taken_over(tmp_path / "out")
    assert (comparison.verdict, comparison.gate_passed, comparison.headline) == ("failed", False, sentence)
    expected = (BASE, HEAD) if missing == "plan.json" else (examples.BASE, examples.HEAD)
    assert (comparison.base, comparison.head) == expected
    assert sentence.partition(";")[0] in (tmp_path / "out" / "report.md").read_text()


def test_tracking_may_be_missing(tmp_path: Path) -> None:
    source = hand_over(tmp_path / "in")
    (source / "tracking.json").unlink()
    assert receive.receive(source, tmp_path / "out", BASE, HEAD) == ""
    assert not (tmp_path / "out" / "tracking.json").exists()


def test_no_artifact_at_all_is_said(tmp_path: Path) -> None:
    assert "before it planned anything" in receive.receive(tmp_path / "none", tmp_path / "out", BASE, HEAD)
    assert taken_over(tmp_path / "out").head == HEAD


def as_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def as_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def as_giant(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" " * receive.MAX_FILE_BYTES)  # still valid JSON


def as_nesting(path: Path) -> None:
    path.write_text("[" * 200_000)


def with_another_key(path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {"html": "<script>"}))


def with_nan(path: Path) -> None:
    text, count = re.subn(r'"schema_version": \d+', '"schema_version": NaN', path.read_text())
    assert count == 1
    path.write_text(text)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("spoil", [as_link, as_folder, as_pipe, as_giant, as_nesting, with_another_key, with_nan])
def test_one_file_that_is_not_believed_spoils_them_all(tmp_path: Path, name: str, spoil: Any) -> None:
    source = hand_over(tmp_path / "in")
    spoil(source / name)
    problem = receive.receive(source, tmp_path / "out", BASE, HEAD)
    named = name if spoil not in (as_link, as_pipe) else f"'{name}'"
    assert problem.startswith(f"What the training job handed over is not believed: {named} ")
    assert str(tmp_path) not in problem
    comparison = taken_over(tmp_path / "out")
    assert (comparison.verdict, comparison.gate_passed) == ("failed", False)
    assert (comparison.base, comparison.head) == (BASE, HEAD)


@given(st.sampled_from(sorted(MODELS)), st.binary() | st.recursive(st.none() | st.text(), st.lists).map(
    lambda value: json.dumps(value).encode()
))  # fmt: skip
def test_no_content_passes_the_gate_or_stops_the_report(name: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = hand_over(Path(folder) / "in")
        (source / name).write_bytes(content)
        assert receive.receive(source, Path(folder) / "out", BASE, HEAD)
        assert not taken_over(Path(folder) / "out").gate_passed


def test_the_event_names_the_commits_of_a_run_that_did_not() -> None:
    event = {"pull_request": {"base": {"sha": "b" * 40, "ref": "main"}, "head": {"sha": "a" * 40, "ref": "change"}}}
    assert receive.revisions(event, "c" * 40) == (BASE, HEAD)
    main = Revision(commit="c" * 40, name="main")
    pushed = {"before": "b" * 40, "ref": "refs/heads/main"}
    assert receive.revisions(pushed, "c" * 40) == (Revision(commit="b" * 40, name="b" * 10), main)
    assert receive.revisions(pushed | {"before": "0" * 40}, "c" * 40) == (main, main)
    assert receive.revisions({}, "c" * 40)[1].name == "c" * 10


def test_a_link_anywhere_among_it_spoils_it(tmp_path: Path) -> None:
    source = hand_over(tmp_path / "in")
    (source / "logs" / "more").symlink_to("/etc")
    assert "'more' is neither a file nor a folder" in receive.receive(source, tmp_path / "out", BASE, HEAD)
    link = tmp_path / "link"
    link.symlink_to(source)
    assert "it is a link" in receive.receive(link, tmp_path / "out2", BASE, HEAD)


def test_a_flood_of_files_is_not_walked_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receive, "MAX_ENTRIES", 10)
    source = hand_over(tmp_path / "in")
    for number in range(10):
        (source / "logs" / f"{number}.log").touch()
    assert "more than 10 entries" in receive.receive(source, tmp_path / "out", BASE, HEAD)


def test_results_of_another_commit_are_not_believed(tmp_path: Path) -> None:
    """A run could hand over what an honest one once wrote about a better commit."""
    source = hand_over(tmp_path / "in")
    assert receive.receive(source, tmp_path / "out", BASE, HEAD, examples.HEAD.commit) == ""
    problem = receive.receive(source, tmp_path / "out2", BASE, HEAD, "d" * 40)
    assert f"it is about commit {examples.HEAD.commit}, and not about {'d' * 40}" in problem
    assert taken_over(tmp_path / "out2").gate_passed is False


def test_files_about_different_commits_are_not_believed(tmp_path: Path) -> None:
    source = hand_over(tmp_path / "in")
    path = source / "comparison.json"
    content = json.loads(path.read_text())
    content["head"]["commit"] = "e" * 40
    path.write_text(json.dumps(content))
    assert "about different commits" in receive.receive(source, tmp_path / "out", BASE, HEAD)


def test_nothing_is_put_where_something_is(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="exists already"):
        receive.receive(hand_over(tmp_path / "in"), tmp_path, BASE, HEAD)


def test_the_names_that_cross_over_are_four() -> None:
    assert set(NAMES) == set(MODELS)

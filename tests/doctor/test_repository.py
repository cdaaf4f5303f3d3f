"""What is wrong with a repository, in real ones made for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pawl.config import Config, load_config
from pawl.doctor.diagnosis import Line
from pawl.doctor.github_settings import keeps_lock
from pawl.doctor.repository import attribute_lines, config_lines, git_lines, noise_lines, pipeline_lines
from pawl.doctor.workflows import local_workflows, triggers, wanted_labels, workflow_lines
from tests.support.repositories import PIPELINE, commit, git, make_repository


def by_name(lines: list[Line]) -> dict[str, Line]:
    return {line.name: line for line in lines}


def test_a_complete_clone_and_a_shallow_one(repository: Path, tmp_path: Path) -> None:
    commit(repository, "More")
    assert {line.state for line in git_lines(repository, "main")} == {"ok"}
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{repository}", "shallow")
    lines = by_name(git_lines(tmp_path / "shallow", "main"))
    assert lines["history"].state == "warning"
    assert "fetch-depth: 0" in lines["history"].remedy


def test_a_base_that_is_not_here(repository: Path) -> None:
    lines = by_name(git_lines(repository, "trunk"))
    assert (lines["base"].state, "git fetch origin trunk" in lines["base"].remedy) == ("warning", True)


def test_no_git_checkout_and_no_commit(tmp_path: Path) -> None:
    assert by_name(git_lines(tmp_path, "main"))["checkout"].state == "error"
    git(tmp_path, "init", "--quiet")
    assert "no commit" in by_name(git_lines(tmp_path, "main"))["checkout"].found


@pytest.mark.parametrize(
    ("attributes", "state"),
    [("dvc.lock -merge\n", "ok"), ("* -merge\n", "ok"), ("", "error"), ("dvc.lock -merge\n*.lock merge\n", "error")],
)
def test_whether_git_may_merge_the_lock(tmp_path: Path, attributes: str, state: str) -> None:
    root = make_repository(tmp_path / "r", {".gitattributes": attributes, "dvc.lock": "{}\n"})
    [line] = attribute_lines(root)
    assert line.state == state


def test_a_lock_in_a_folder_counts(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "r", {".gitattributes": "/dvc.lock -merge\n", "sub/dvc.lock": "{}\n"})
    [line] = attribute_lines(root)
    assert (line.state, "sub/dvc.lock" in line.found) == ("error", True)


@pytest.mark.parametrize(
    ("text", "state", "words"),
    [
        (None, "warning", "there is none"),
        ("base: main\n", "warning", "no metric is primary"),
        ('metrics: {"m.json:f1": {direction: higher, primary: true}}\n', "ok", "1 rules"),
        ("bsae: main\n", "error", "did you mean"),
        ("a: [\n", "error", "not valid YAML"),
    ],
)
def test_settings(tmp_path: Path, text: str | None, state: str, words: str) -> None:
    if text is not None:
        (tmp_path / "pawl.yaml").write_text(text)
    [line] = config_lines(tmp_path, None)
    assert (line.state, words in line.found) == (state, True)


def test_a_pipeline_that_is_as_it_should_be(repository: Path) -> None:
    lines = by_name(pipeline_lines(repository, Config()))
    assert {name: line.state for name, line in lines.items()} == {"dvc.yaml": "ok", "kept results": "ok"}
    assert lines["dvc.yaml"].found == "2 stages, 1 metrics files"


@pytest.mark.parametrize(
    ("old", "new", "name", "state", "words"),
    [
        (
            "      - metrics.json\n",
            "      - metrics.json: {cache: false}\n",
            "kept results",
            "error",
            "metrics.json lie",
        ),
        ("outs: [model.txt]", "outs: [{model.txt: {persist: true}}]", "kept results", "warning", "model.txt persist"),
        (
            "    metrics:\n      - metrics.json\n",
            "    outs: [metrics.json]\n",
            "metrics",
            "error",
            "no stage declares any",
        ),
        ("deps: [train.py, data.txt]", "deps: [train.py, data.txt, metrics.json]", "dvc.yaml", "error", "circle"),
        ("cmd: python train.py", "cdm: python train.py", "dvc.yaml", "error", "dvc.yaml"),
    ],
)
def test_what_a_pipeline_can_have_wrong(tmp_path: Path, old: str, new: str, name: str, state: str, words: str) -> None:
    assert old in PIPELINE
    root = make_repository(tmp_path / "r", {"dvc.yaml": PIPELINE.replace(old, new)})
    line = by_name(pipeline_lines(root, Config()))[name]
    assert line.state == state
    assert words in line.found
    assert line.remedy


def test_no_stages(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "r", {"dvc.yaml": "stages: {}\n"})
    assert by_name(pipeline_lines(root, Config()))["dvc.yaml"].state == "error"


def test_a_rule_for_no_file(tmp_path: Path) -> None:
    rules = (
        'metrics: {"metric.json:f1": {direction: higher}, "*.json:loss": {direction: lower}, "*": {direction: none}}\n'
    )
    root = make_repository(tmp_path / "r", config=rules)
    line = by_name(pipeline_lines(root, load_config(root)))["rules"]
    assert (line.state, line.found) == ("warning", "no metrics file matches metric.json:f1")


def test_the_luck_of_the_seed(tmp_path: Path) -> None:
    assert noise_lines(tmp_path, Config())[0].state == "warning"
    (tmp_path / "noise.json").write_text("{}")
    assert noise_lines(tmp_path, Config())[0].state == "error"
    (tmp_path / "noise.json").write_text(
        '{"schema_version":1,"commit":"%s","runs":[{"seeds":{}}],"metrics":[]}' % ("a" * 40)
    )
    assert noise_lines(tmp_path, Config())[0].state == "ok"


def test_the_workflows_of_a_checkout(tmp_path: Path) -> None:
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    assert workflow_lines(local_workflows(tmp_path), "repository", "here")[0].state == "warning"
    (folder / "ct.yml").write_text(
        "on: pull_request\njobs: {a: {runs-on: [self-hosted, GPU], steps: [{run: pawl run}]}}\n"
    )
    texts = local_workflows(tmp_path)
    assert workflow_lines(texts, "repository", "here")[0].state == "ok"
    assert wanted_labels(texts) == [frozenset({"self-hosted", "gpu"})]
    (folder / "bad.yaml").write_text("on: {pull_request_target: {}}\n")
    assert workflow_lines(local_workflows(tmp_path), "repository", "here")[0].state == "error"
    (folder / "bad.yaml").write_bytes(b"\xff")
    assert workflow_lines(local_workflows(tmp_path), "repository", "here")[0].state == "warning"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("on: push", {"push"}),
        ("on: [push, pull_request_target]", {"push", "pull_request_target"}),
        ('"on": {pull_request_target: {types: [opened]}}', {"pull_request_target"}),
        ("# pull_request_target\non: push", {"push"}),
        ("on: 3", set()),
    ],
)
def test_what_starts_a_workflow(text: str, found: set[str]) -> None:
    assert triggers(text) == found


def test_a_workflow_that_cannot_be_parsed_is_not_believed_harmless() -> None:
    assert "pull_request_target" in triggers("on: [pull_request_target\njobs: {")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("dvc.lock -merge", True),
        ("/dvc.lock -merge\n", True),
        ("**/dvc.lock binary", True),
        ("# dvc.lock -merge", False),
        ("", False),
        ("dvc.lock merge", False),
        ("dvc.lock -merge\n*.lock merge=union", False),
        ("dvc.lock -text", False),
    ],
)
def test_attributes_are_read_as_git_reads_them(tmp_path: Path, text: str, kept: bool) -> None:
    assert keeps_lock(text) == kept
    root = make_repository(tmp_path / "r", {".gitattributes": text})
    assert git(root, "check-attr", "merge", "--", "dvc.lock").endswith("unset") == kept

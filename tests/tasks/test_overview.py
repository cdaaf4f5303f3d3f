"""`tasks overview` on a repository with several commits, branches and tags, and results of real `dvc repro` runs."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tasks.cli import app
from tasks.common.stage.errors import TaskError
from tasks.overview.commits import list_commits
from tasks.overview.rows import read_rows
from tests.support.repositories import branch, commit, dvc, git
from tests.tasks.checkouts import REPOSITORY

PIPELINE = """
stages:
  evaluate:
    matrix: {task: "${tasks}"}
    cmd: python evaluate.py ${item.task}
    deps: [evaluate.py]
    params:
      - "${item.task}.train"
    metrics:
      - results/${item.task}/metrics.json:
          cache: true
"""
EVALUATE = """
import json, sys
from pathlib import Path
task = sys.argv[1]
train = json.loads(Path("params.yaml").read_text())[task]["train"]
folder = Path("results", task)
folder.mkdir(parents=True, exist_ok=True)
(folder / "metrics.json").write_text(json.dumps({"accuracy": 1 - train["rate"], "examples": 10, "note": "text"}))
"""


def params(rate: float, **other: Any) -> str:
    one = {"train": {"rate": rate, "units": [8, 8], "trainer": {"threads": 1}, **other}, "prepare": {"seed": 1}}
    two = {"train": {"rate": 0.5, "kind": "a"}}
    return json.dumps({"tasks": ["one", "two"], "one": one, "two": two})


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """main with four commits, a branch `other` from the second, tags v1 and v2: five runs of DVC, about 5 s."""
    root = tmp_path_factory.mktemp("overview") / "repository"
    root.mkdir()
    git(root, "init", "--quiet", "--initial-branch=main")
    ignored = "/results/\n.dvc/tmp\n.dvc/cache\n"
    files = {".dvc/config": "", ".gitignore": ignored, "dvc.yaml": PIPELINE, "evaluate.py": EVALUATE}
    commit(root, "Nothing has run", {**files, "params.yaml": params(0.4)})
    dvc(root, "repro")
    commit(root, "First results")
    git(root, "tag", "v1")
    branch(root, "other", {"params.yaml": params(0.1, units=[4])}, "Units of four | with a bar")
    dvc(root, "repro")
    commit(root, "Results of other")
    git(root, "checkout", "--quiet", "main")
    (root / "params.yaml").write_text(params(0.2))
    dvc(root, "repro")
    commit(root, "A lower rate")
    git(root, "tag", "--annotate", "--message", "second", "v2")
    commit(root, "A rate that was never run", {"params.yaml": params(0.3)})
    return root


@dataclass(frozen=True)
class Called:
    returncode: int
    stdout: str
    stderr: str


def overview(root: Path, *words: str) -> Called:
    """As the command does it, without the time that a new process takes."""
    with contextlib.chdir(root):
        done = CliRunner().invoke(app, ["overview", *words])
    if isinstance(done.exception, TaskError):
        return Called(2, done.stdout, f"error: {done.exception}")
    return Called(done.exit_code, done.stdout, done.stderr)


def rows_of(root: Path, *words: str) -> list[dict[str, Any]]:
    done = overview(root, "--json", *words)
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def short(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [
        (row["subject"], row["params"].get("train.rate"), row["metrics"].get("accuracy"), row["state"]) for row in rows
    ]


def test_each_commit_has_its_parameters_and_the_metrics_that_its_lock_names(repository):
    rows = rows_of(repository, "--task", "one")
    assert short(rows) == [
        ("not committed", 0.3, 0.8, "of other parameters"),
        ("A rate that was never run", 0.3, 0.8, "of other parameters"),
        ("A lower rate", 0.2, 0.8, None),
        ("First results", 0.4, 0.6, None),
        ("Nothing has run", 0.4, None, "not run"),
    ]
    assert [row["names"] for row in rows] == [["workspace"], ["main"], ["v2"], ["v1"], []]
    assert rows[2]["commit"] == git(repository, "rev-parse", "v2^{commit}")
    assert rows[1]["metrics"] == {"accuracy": 0.8, "examples": 10}


def test_only_changed_parameters_are_shown_unless_all_are_asked_for(repository):
    rows = rows_of(repository, "--all-branches")
    assert {name for row in rows for name in row["params"]} == {"train.rate", "train.units"}
    rows = rows_of(repository, "--all-branches", "--all-params")
    assert {name for row in rows if row["task"] == "one" for name in row["params"]} == {
        "train.rate",
        "train.units",
        "train.trainer.threads",
        "prepare.seed",
    }
    assert {row["params"]["train.kind"] for row in rows if row["task"] == "two"} == {"a"}


def test_branches_tags_revisions_and_numbers_choose_the_commits(repository):
    def subjects(*words: str) -> list[str]:
        return [row["subject"] for row in rows_of(repository, "--task", "two", *words)][1:]

    assert subjects("-n", "2") == ["A rate that was never run", "A lower rate"]
    assert subjects("--all-branches", "-n", "1") == ["A rate that was never run", "Results of other"]
    assert subjects("--all-tags", "-n", "5") == ["First results", "A lower rate"]
    assert subjects("--rev", "other", "-n", "2") == ["Results of other", "Units of four | with a bar"]
    assert subjects("--rev", "v2", "--rev", "v1", "-n", "1") == ["A lower rate", "First results"]
    both = subjects("--all-branches", "--all-tags", "-n", "3")
    assert sorted(both) == sorted(set(both))


def test_metrics_that_are_not_in_the_cache_say_so(repository, tmp_path):
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(repository), str(clone)], check=True)
    rows = rows_of(clone, "--task", "one")
    assert [row["state"] for row in rows] == ["not here (dvc fetch)"] * 4 + ["not run"]
    shutil.copytree(repository / ".dvc/cache", clone / ".dvc/cache")
    assert short(rows_of(clone, "--task", "one")) == short(rows_of(repository, "--task", "one"))


def test_the_branches_of_the_origin_are_there_too(repository, tmp_path):
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(repository), str(clone)], check=True)
    rows = rows_of(clone, "--task", "one", "--all-branches", "-n", "1")
    assert [row["names"] for row in rows[1:]] == [["main", "origin/main"], ["origin/other"]]


def test_a_repository_in_a_folder_of_another_is_read_there(repository, tmp_path):
    outer = tmp_path / "outer"
    shutil.copytree(repository, outer / "inner", ignore=shutil.ignore_patterns(".git"))
    git(outer, "init", "--quiet", "--initial-branch=main")
    commit(outer, "All at once")
    rows = rows_of(outer / "inner", "--task", "one")
    assert [row["state"] for row in rows] == ["of other parameters"] * 2
    assert rows[1]["metrics"]["accuracy"] == 0.8


def test_metrics_that_git_keeps_are_read_from_the_commit(repository, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(repository, root)
    shutil.rmtree(root / ".dvc/cache")
    git(root, "add", "--force", "results/one/metrics.json")
    git(root, "commit", "--quiet", "--message", "Metrics in git")
    rows = rows_of(root, "--task", "one", "-n", "1")
    assert rows[1]["metrics"]["accuracy"] == 0.8


def test_results_of_a_run_by_hand_are_not_taken_for_recorded_ones(repository, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(repository, root)
    (root / "results/one/metrics.json").write_text('{"accuracy": 0.99}')
    workspace, recorded = rows_of(root, "--task", "one", "-n", "1")
    assert (workspace["metrics"]["accuracy"], workspace["state"]) == (0.99, "not of dvc.lock")
    assert recorded["state"] != "not of dvc.lock"


def test_csv_has_one_line_a_row_with_numbers_in_full(repository):
    lines = list(csv.DictReader(io.StringIO(overview(repository, "--csv", "--all-branches", "--all-tags").stdout)))
    rows = rows_of(repository, "--all-branches", "--all-tags")
    assert [line["subject"] for line in lines] == [row["subject"] for row in rows]
    for line, row in zip(lines, rows, strict=True):
        assert line["commit"] == (row["commit"] or "")
        assert line["accuracy"] == (repr(row["metrics"]["accuracy"]) if row["metrics"] else "")
        assert line["train.units"] == row["params"].get("train.units", "")


def test_markdown_keeps_its_columns_whatever_a_subject_says(repository):
    lines = overview(repository, "--md", "--rev", "other", "--task", "one").stdout.splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert "Units of four &#124; with a bar" in lines[4]
    assert overview(repository, "--rev", "other", "--task", "one").stdout.splitlines() == lines


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--rev", "nowhere"], 'error: git knows no commit "nowhere"; name a branch, a tag or a commit, or'),
        (["--rev", "--all"], "git knows no commit"),
        (["--task", "ona"], 'error: "ona" is a task in none of these commits; did you mean "one"?'),
        (["--md", "--csv"], "choose one of --md, --json and --csv"),
        (["-n", "0"], "Invalid value for"),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_is_said_without_a_traceback(repository, words, sentence):
    done = overview(repository, *words)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_repository_without_a_commit_is_one_sentence(tmp_path):
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).write_text("tasks: [one]\n")
    git(tmp_path, "init", "--quiet")
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "src")}
    command = [sys.executable, "-m", "tasks", "overview"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: git")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("params.yaml", "tasks: [one\n"),
        ("dvc.lock", "stages: {a: [}\n"),
        ("results/one/metrics.json", "{not JSON"),
        ("results/one/metrics.json", "[1, 2]"),
        ("params.yaml", "tasks: [one]\none: {a: &a [x,x,x,x,x,x,x,x,x], b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a], "
                        "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b], d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c], "
                        "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d], f: [*e,*e,*e,*e,*e,*e,*e,*e,*e]}\n"),
    ],
)  # fmt: skip
def test_what_a_commit_has_broken_is_said_in_its_row_alone(repository, tmp_path, name, content):
    root = tmp_path / "copy"
    shutil.copytree(repository, root)
    (root / name).write_text(content)
    git(root, "add", "--force", name)
    git(root, "commit", "--quiet", "--message", "Broken")
    git(root, "checkout", "--quiet", "HEAD~1")
    commits = list_commits(root, 2, ["main"])
    broken, whole = (one for one in read_rows(root, commits, lambda note: None) if one.task != "two")
    assert (broken.state, dict(broken.metrics)) == ("cannot be read", {})
    assert whole.metrics


def test_a_revision_that_is_an_option_is_no_option(repository):
    with pytest.raises(TaskError, match="git knows no commit"):
        list_commits(repository, 1, ["--output=/tmp/never"])

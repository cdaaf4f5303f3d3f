"""docs/adding-a-task.md, followed word for word in a copy of this repository."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from pawl.schema import Comparison, Plan, Stages
from pawl.session import read_file
from tests.support.repositories import git
from tests.support.working_tree import REPOSITORY, copy_working_tree, environment_of

PAGE = REPOSITORY / "docs" / "adding-a-task.md"
# A block of code, with the file before it that it is to be in; the others are commands, or what one sees.
BLOCK = re.compile(
    r"(?:^\*\*`(?P<file>[^`]+)`\*\*\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
STAGES = ("fetch", "prepare", "train", "evaluate", "plot", "package")


@dataclass(frozen=True)
class Step:
    """A block of the page: text for the end of a file, or commands."""

    section: str
    file: str | None
    text: str


@dataclass(frozen=True)
class Followed:
    """The copy in which the page was followed up to its last section, and what its commands printed."""

    root: Path
    said: dict[str, str]


def steps() -> Iterator[Step]:
    page = PAGE.read_text(encoding="utf-8")
    for found in BLOCK.finditer(page):
        section = SECTION.findall(page[: found.start()])[-1]
        if found["file"]:
            yield Step(section, found["file"], found["text"])
        elif found["language"] == "sh":
            yield Step(section, None, found["text"])
        else:
            assert found["language"] == "text", f"{section}: a block of {found['language']} without a file"


def take(root: Path, step: Step) -> str:
    """Do what the step says; what its commands print."""
    if step.file:
        file = root / step.file
        with file.open("a", encoding="utf-8") as out:
            out.write(step.text)
        return ""
    command = ["bash", "-euo", "pipefail", "-c", step.text]
    done = subprocess.run(
        command, cwd=root, env=environment_of(root), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == 0, f"{step.section}:\n{step.text}\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Followed:
    """About a minute: the stages run by hand and in the loop, and the tests that the page names run too."""
    root = copy_working_tree(tmp_path_factory.mktemp("adding") / "repository")
    said: dict[str, str] = {}
    for step in steps():
        if step.section != "Deleting a task":
            said[step.section] = said.get(step.section, "") + take(root, step)
    return Followed(root, said)


def said_in(followed: Followed, word: str) -> str:
    return next(text for section, text in followed.said.items() if word in section)


def test_the_task_is_one_folder_and_one_block(followed: Followed) -> None:
    changed = git(followed.root, "diff", "--name-only", "main", "wine").splitlines()
    assert [name for name in changed if not name.startswith("src/tasks/wine/")] == ["dvc.lock", "params.yaml"]
    before = (REPOSITORY / "params.yaml").read_text(encoding="utf-8")
    after = (followed.root / "params.yaml").read_text(encoding="utf-8")
    assert after.replace("[wine, ", "[", 1).startswith(before)
    assert list(_params(followed.root)) == [*_params(REPOSITORY), "wine"]


def test_only_the_new_tasks_stages_run(followed: Followed) -> None:
    reports = followed.root / "reports"
    plan = read_file(reports, "plan.json", Plan, "pawl plan")
    assert {stage.name for stage in plan.stages if stage.action != "unchanged"} == {f"{stage}@wine" for stage in STAGES}
    stages = read_file(reports, "stages.json", Stages, "pawl reproduce").stages
    ran = [stage for stage in stages if stage.outcome == "trained"]
    assert {(stage.side, stage.name) for stage in ran} == {("head", f"{stage}@wine") for stage in STAGES}
    # So did the plan before it.
    planned = dict(re.findall(r"^ +(\w+@\w+) +(\w+)", said_in(followed, "judged"), re.MULTILINE))
    assert {name for name, action in planned.items() if action != "unchanged"} == {f"{stage}@wine" for stage in STAGES}


def test_the_model_is_as_good_as_the_page_says_and_judged(followed: Followed) -> None:
    metrics = json.loads((followed.root / "results/wine/metrics.json").read_text(encoding="utf-8"))
    assert metrics["accuracy"] >= 0.95
    assert metrics["accuracy"] > metrics["majority_baseline_accuracy"] + 0.3
    assert f"on {metrics['examples']} wines" in PAGE.read_text(encoding="utf-8")
    rows = pq.read_table(followed.root / "results/wine/predictions.parquet").to_pylist()
    assert metrics["accuracy"] == sum(row["target"] == row["prediction"] for row in rows) / len(rows)
    comparison = read_file(followed.root / "reports", "comparison.json", Comparison, "pawl compare")
    assert comparison.gate_passed
    [accuracy] = [metric for metric in comparison.metrics if metric.name == "wine accuracy"]
    assert accuracy.primary
    assert accuracy.head == metrics["accuracy"]
    seen = next(
        found["text"] for found in BLOCK.finditer(PAGE.read_text(encoding="utf-8")) if found["language"] == "text"
    )
    assert _words(seen) in _words(said_in(followed, "judged"))


def test_it_can_be_listed_asked_and_tested(followed: Followed) -> None:
    assert re.search(r"^wine +Wines of three cultivars", said_in(followed, "by hand"), re.MULTILINE)
    answers = re.findall(r"^two.csv, line (\d)\n +\* (class_\d) +(\S+)", said_in(followed, "by hand"), re.MULTILINE)
    # By the model, and by its package.
    assert [(line, label) for line, label, _ in answers] == [("2", "class_0"), ("3", "class_0")] * 2
    assert answers[:2] == answers[2:]
    n_keys = sum(len(block) for block in _params(followed.root)["wine"].values())
    found = re.search(r"^(\d+) passed, \d+ deselected", said_in(followed, "tested"), re.MULTILINE)
    assert found
    assert int(found[1]) >= 2 * n_keys


def test_deleting_it_leaves_nothing(followed: Followed) -> None:
    for step in steps():
        if step.section == "Deleting a task":
            take(followed.root, step)
    take(
        followed.root,
        Step("", None, "git add --all && git commit --quiet --message 'No wine' && pawl plan --base main"),
    )
    assert git(followed.root, "diff", "--name-only", "main", "wine").splitlines() == ["dvc.lock"]
    plan = read_file(followed.root / "reports", "plan.json", Plan, "pawl plan")
    assert {stage.action for stage in plan.stages} == {"unchanged"}


def _params(root: Path) -> dict:
    return YAML(typ="safe", pure=True).load((root / "params.yaml").read_text(encoding="utf-8"))


def _words(text: str) -> str:
    """The text without numbers: processors differ."""
    return re.sub(r"\d[\d.]*", "N", text).strip()

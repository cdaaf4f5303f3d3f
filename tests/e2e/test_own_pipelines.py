"""This repository judged by itself: its own dvc.yaml, with parameters that make the stages quick."""

from __future__ import annotations

import re
from pathlib import Path

from pawl.schema import Comparison
from pawl.session import read_file
from tests.e2e.test_pull_request import TRAIN_STEPS, outcomes
from tests.e2e.world import FILES, OWN, copy_own, make_world
from tests.fakes.github import FakeGitHub
from tests.support.repositories import commit, git, write

PIPELINES = ["src/tasks", "dvc.yaml", "params.yaml", "pawl.yaml", ".dvcignore", ".gitattributes", ".gitignore"]
QUICK = {"epochs: 15": "epochs: 1", "classes: 10": "classes: 3", "noise_columns: 40": "noise_columns: 4"}
CHANGE = ("learning_rate: 0.001", "learning_rate: 0.000001")


def test_one_task_is_trained_on_both_sides_and_the_other_is_left_alone(
    tmp_path: Path, github: FakeGitHub, bucket_url: str
) -> None:
    """Far over 2 s: it trains a network twice, on a runner and with a bucket that have never seen these stages."""
    template = tmp_path / "template"
    copy_own(template, [*OWN, *PIPELINES])
    params = (template / "params.yaml").read_text()
    for old, new in QUICK.items():
        assert old in params
        params = params.replace(old, new)
    git(tmp_path, "init", "--quiet", "--initial-branch=main", str(template))
    write(template, {".dvc/config": FILES[".dvc/config"], ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n"})
    commit(template, "Start", {"params.yaml": params})
    world = make_world(tmp_path / "world", github, bucket_url, template)
    event = world.open_pull_request(3, "timid", {"params.yaml": params.replace(*CHANGE)}, "Learn slower")
    run = world.run("pull_request", event, "runner-1")

    assert outcomes(run, "train", TRAIN_STEPS) == ["success"] * len(TRAIN_STEPS), run.told()
    assert run.job("report").steps["Comment"] == "success"
    assert run.job("report").steps["Gate"] == "failure"
    [comment] = world.comments(3)
    assert comment.body.startswith("### 🔻 **Worse**: `digits accuracy` ")
    ran = re.findall(r"^(head|base): (\S+) runs$", run.job("train").said["Train"], re.MULTILINE)
    both = [
        (side, f"{stage}@digits") for side in ("head", "base") for stage in ("train", "evaluate", "plot", "package")
    ]
    # What both sides read is made once, and base has it from head.
    assert sorted(ran) == sorted([("head", "fetch@digits"), ("head", "prepare@digits"), *both])

    # What was handed over are the numbers that the stages themselves printed.
    printed = re.findall(r"evaluate digits: accuracy (\S+)", run.job("train").said["Train"])
    handed_over = read_file(tmp_path / "world/runner-1/artifacts/results", "comparison.json", Comparison, "")
    [accuracy] = [metric for metric in handed_over.metrics if metric.name == "digits accuracy"]
    assert [f"{value:.4g}" for value in (accuracy.head, accuracy.base)] == printed
    # Judged by the predictions of both sides, paired, and not by the two numbers.
    assert accuracy.verdict == "worse"
    assert accuracy.upper is not None
    assert accuracy.upper < 0
    assert f"{accuracy.examples} examples" in comment.body.partition("\n")[0]
    assert not [metric for metric in handed_over.metrics if metric.name.startswith("tabular")]

"""Which stages judge a model, and what of how they do it differs between the sides."""

from __future__ import annotations

from pathlib import Path

import pytest

from pawl.pipeline.evaluation import evaluating_stages, evaluation_differs, model_outputs
from pawl.pipeline.project import open_project, stage_name
from tests.support.loop import measure
from tests.support.repositories import branch, git, make_repository

SCRIPT = """
import pathlib, sys
out = pathlib.Path(sys.argv[1])
out.parent.mkdir(exist_ok=True)
out.write_text('{"a": 1}')
"""
# split -> train -> models/net, and tune that goes on from it to models/tuned; evaluate -> judge; history beside.
PIPELINE = """
stages:
  split:
    cmd: python make.py split.txt
    deps: [make.py, data.txt]
    params: [split]
    outs: [split.txt]
  train:
    cmd: python make.py models/net; python make.py history.csv
    deps: [make.py, train.py, shared, split.txt]
    params: [train, common.width]
    outs: [models/net, history.csv]
  tune:
    cmd: python make.py models/tuned
    deps: [make.py, models/net]
    outs: [models/tuned]
  draw:
    cmd: python make.py drawn.txt
    deps: [make.py, history.csv]
    outs: [drawn.txt]
  evaluate:
    cmd: python make.py predictions.json
    deps: [make.py, judge, shared, models/tuned, split.txt]
    params: [evaluate, common.width]
    outs: [predictions.json]
  score:
    cmd: python make.py metrics.json
    deps: [make.py, score.py, predictions.json]
    metrics: [metrics.json]
  alone:
    cmd: python make.py alone.json
    deps: [make.py, train.py, split.txt]
    params: [train]
    metrics: [alone.json]
"""
FILES = {
    "dvc.yaml": PIPELINE,
    "make.py": SCRIPT,
    "train.py": "train\n",
    "shared/net.py": "net\n",
    "judge/run.py": "judge\n",
    "judge/draw.py": "draw\n",
    "score.py": "score\n",
    "params.yaml": "split: {seed: 1}\ntrain: {rate: 1.0}\nevaluate: {threshold: 0.5}\ncommon: {width: 3}\n",
    ".gitignore": "models/\n.pawl/\nreports/\n",
}
PATTERNS = ["models/*"]
PATHS = ["predictions.json", "metrics.json", "alone.json", "history.csv", "nowhere.json"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = make_repository(tmp_path_factory.mktemp("made") / "repository", FILES)
    measure(made, everything=True)
    return made


def differs(root: Path, name: str, files: dict[str, str]) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    git(root, "checkout", "--quiet", "--force", "main")
    branch(root, name, files)
    found = evaluation_differs(measure(root).plan, open_project(root), PATTERNS, PATHS)
    return {path: (change.own, change.shared) for path, change in found.items()}


def test_what_judges_follows_from_a_model_and_leads_to_none(root: Path) -> None:
    project = open_project(root)
    assert [stage_name(stage) for stage in evaluating_stages(project, PATTERNS)] == ["evaluate", "score"]
    assert [project.relative(out.fs_path) for out in model_outputs(project, PATTERNS)] == ["models/net", "models/tuned"]
    assert evaluating_stages(project, ["nothing/*"]) == []


def test_the_model_and_the_data_are_not_evaluation(root: Path) -> None:
    assert differs(root, "training", {"train.py": "other\n"}) == {}
    assert differs(root, "rate", {"params.yaml": FILES["params.yaml"].replace("1.0", "2.0")}) == {}
    assert differs(root, "data", {"data.txt": "d e f\n"}) == {}


def test_code_that_only_evaluation_reads_is_named_for_all_that_follows(root: Path) -> None:
    found = differs(root, "judge", {"judge/run.py": "other\n"})
    assert found == {"predictions.json": (("judge/run.py",), ()), "metrics.json": (("judge/run.py",), ())}
    assert differs(root, "score", {"score.py": "other\n"}) == {"metrics.json": (("score.py",), ())}


def test_code_that_training_reads_too_is_told_apart(root: Path) -> None:
    found = differs(root, "net", {"shared/net.py": "other\n"})
    assert found["metrics.json"] == ((), ("shared/net.py",))


def test_parameters_and_commands_count(root: Path) -> None:
    params = FILES["params.yaml"].replace("0.5", "0.6").replace("width: 3", "width: 4")
    found = differs(root, "params", {"params.yaml": params})
    assert found["predictions.json"] == (("params.yaml:evaluate.threshold",), ("params.yaml:common.width",))
    pipeline = PIPELINE.replace("cmd: python make.py metrics.json", "cmd: python ./make.py metrics.json")
    assert differs(root, "command", {"dvc.yaml": pipeline}) == {"metrics.json": (("cmd",), ())}

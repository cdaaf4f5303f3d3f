"""`--rescore`: base's model by head's evaluation on head's test set, and nothing where those are base's own."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pawl.errors import InputError
from pawl.pipeline.rescore import rescored_project
from pawl.schema import Plan, StageResult, Stages
from pawl.session import Choices, open_session
from pawl.steps import plan_step, reproduce_step
from tests.support.repositories import branch, commit, dvc, git, make_repository, pawl, write

SPLIT = (
    "import pathlib\npathlib.Path('test.txt').write_text(' '.join(pathlib.Path('data.txt').read_text().split()[:2]))\n"
)
TRAIN = """
import pathlib, yaml
rate = yaml.safe_load(open("params.yaml"))["train"]["rate"]
pathlib.Path("models").mkdir(exist_ok=True)
pathlib.Path("models/net.txt").write_text(repr(rate))
pathlib.Path("labels.txt").write_text(f"labels of {rate}")
pathlib.Path("runs.log").open("a").write("trained\\n")
"""
# What a model of rate r says of a test set: r, the test set, and how it is judged.
EVALUATE = """
import json, pathlib
said = {"model": float(pathlib.Path("models/net.txt").read_text()), "test": pathlib.Path("test.txt").read_text()}
json.dump(said | {"labels": pathlib.Path("labels.txt").read_text(), "how": "plain"}, open("predictions.json", "w"))
"""
SCORE = """
import json
said = json.load(open("predictions.json"))
json.dump({"score": said["model"] * 10 + len(said["test"])}, open("metrics.json", "w"))
"""
PIPELINE = """
stages:
  split:
    cmd: python split.py
    deps: [split.py, data.txt]
    outs: [test.txt]
  train:
    cmd: python train.py
    deps: [train.py]
    params: [train.rate]
    outs: [models/net.txt, labels.txt]
  evaluate:
    cmd: python evaluate.py
    deps: [evaluate.py, models/net.txt, labels.txt, test.txt]
    outs: [predictions.json]
  score:
    cmd: python score.py
    deps: [score.py, predictions.json]
    metrics: [metrics.json]
"""
FILES = {
    "split.py": SPLIT,
    "train.py": TRAIN,
    "evaluate.py": EVALUATE,
    "score.py": SCORE,
    "dvc.yaml": PIPELINE,
    "data.txt": "a b c\n",
    ".gitignore": "runs.log\n.pawl/\nreports/\n",
    "pawl.yaml": "tracking: {enabled: false}\n",
}
OTHER_DATA = {"data.txt": "xx yy zz\n"}
OTHER_RATE = {"params.yaml": "train:\n  rate: 2.0\n"}
OTHER_CODE = {"evaluate.py": EVALUATE.replace("plain", "strict")}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repository", FILES)


@dataclass(frozen=True)
class Rescored:
    plan: Plan
    stages: Stages
    said: list[str]
    root: Path
    """Of the checkout in which it was done."""

    def outcomes(self) -> dict[str, str]:
        return {result.name: result.outcome for result in self.stages.rescored}

    def read(self, name: str) -> Any:
        return json.loads((self.root / name).read_text())


def run(root: Path, **choices: Any) -> Rescored:
    said: list[str] = []
    session = open_session(Choices(root.absolute(), **choices))
    plan, head_looks, base_looks = plan_step(session)
    stages = reproduce_step(session, plan, head_looks, base_looks, said.append, rescored=True)
    return Rescored(plan, stages, said, root / ".pawl" / "rescore")


def trainings(root: Path) -> int:
    return len((root / "runs.log").read_text().split())


def test_another_test_set_is_put_to_bases_model(root: Path) -> None:
    branch(root, "both", OTHER_DATA | OTHER_RATE)
    done = run(root)
    assert done.outcomes() == {"evaluate": "trained", "score": "trained"}
    said = done.read("predictions.json")
    assert (said["model"], said["test"]) == (1.0, "xx yy")
    assert said["labels"] == "labels of 1.0", "what was made with the model goes with it"
    assert done.read("metrics.json") == {"score": 15.0}
    assert json.loads((root / "metrics.json").read_text()) == {"score": 25.0}
    base = root / ".pawl" / "base" / done.plan.base.commit[:16]
    assert json.loads((base / "metrics.json").read_text()) == {"score": 13.0}
    assert [trainings(root), trainings(base)] == [1, 1]
    assert not (done.root / "runs.log").exists(), "nothing is trained there"
    assert all(result.side == "base" and result.present for result in done.stages.rescored)


def test_it_leaves_heads_records_alone_and_is_kept_by_key(root: Path) -> None:
    branch(root, "both", OTHER_DATA | OTHER_RATE)
    first = run(root)
    lock = (root / "dvc.lock").read_text()
    # DVC finds the same thing itself, by its own key.
    (first.root / "predictions.json").unlink()
    (first.root / "dvc.lock").unlink()
    assert "Stage 'evaluate' is cached" in dvc(first.root, "repro", "--single-item", "evaluate")
    assert first.read("predictions.json")["model"] == 1.0
    shutil.rmtree(root / ".pawl")
    second = run(root)
    assert second.outcomes() == {"evaluate": "restored", "score": "restored"}
    assert second.read("metrics.json") == {"score": 15.0}
    keys = [{result.name: result.stage_key for result in done.stages.rescored} for done in (first, second)]
    assert keys[0] == keys[1]
    assert (root / "dvc.lock").read_text() == lock


def test_other_code_of_evaluation_judges_both(root: Path) -> None:
    branch(root, "both", OTHER_CODE | OTHER_RATE)
    done = run(root)
    said = done.read("predictions.json")
    assert (said["model"], said["how"]) == (1.0, "strict")
    assert set(done.outcomes()) == {"evaluate", "score"}


def test_a_step_after_predictions_is_judged_again_on_predictions_that_are_bases_own(root: Path) -> None:
    branch(root, "score", OTHER_RATE | {"score.py": SCORE.replace("* 10", "* 100")})
    done = run(root)
    assert done.outcomes() == {"score": "trained"}
    assert done.read("metrics.json") == {"score": 103.0}


def test_the_same_model_judged_otherwise_is_heads_own_result(root: Path) -> None:
    branch(root, "code", OTHER_CODE)
    done = run(root)
    assert done.outcomes() == {"evaluate": "restored", "score": "restored"}
    assert done.read("predictions.json") == json.loads((root / "predictions.json").read_text())


@pytest.mark.parametrize(
    "files",
    [
        OTHER_RATE,
        {"train.py": TRAIN + "# a remark\n"},
        OTHER_RATE | {"split.py": SPLIT + "# the test set comes out the same\n"},
        OTHER_RATE | {"data.txt": "a b other\n"},
    ],
)
def test_nothing_is_done_where_evaluation_and_test_set_are_bases(root: Path, files: dict[str, str]) -> None:
    branch(root, "change", files)
    done = run(root)
    assert done.stages.rescored == ()
    assert not done.root.exists()
    assert not [line for line in done.said if "rescore" in line]


def test_what_leads_to_no_result_is_not_made_of_bases_model(root: Path) -> None:
    """A package to serve follows from a model as evaluate does, but nobody compares it."""
    pack = PIPELINE + (
        "  pack:\n    cmd: cp models/net.txt packed\n    deps: [models/net.txt, test.txt]\n    outs: [packed]\n"
        "  wrap:\n    cmd: cp packed wrapped\n    deps: [packed]\n    outs: [wrapped]\n"
        "  draw:\n    cmd: cp models/net.txt curve.csv\n    deps: [models/net.txt, test.txt]\n    plots: [curve.csv]\n"
    )
    commit(root, "a package", {"dvc.yaml": pack})
    branch(root, "both", OTHER_DATA | OTHER_RATE)
    done = run(root)
    assert done.outcomes() == {"evaluate": "trained", "score": "trained", "draw": "trained"}
    assert (root / "wrapped").exists()
    assert not (done.root / "packed").exists()


def test_predictions_alone_are_a_result(root: Path) -> None:
    alone = PIPELINE.partition("  score:")[0]
    settings = {"pawl.yaml": "tracking: {enabled: false}\npredictions: ['predictions.json']\n"}
    commit(root, "no metrics", {"dvc.yaml": alone, **settings})
    branch(root, "both", OTHER_DATA | OTHER_RATE)
    assert run(root).outcomes() == {"evaluate": "trained"}


def test_a_first_evaluation_of_a_model_that_base_has(root: Path) -> None:
    without = PIPELINE.partition("  evaluate:")[0]
    git(root, "checkout", "--quiet", "-b", "before")
    commit(root, "no evaluation yet", {"dvc.yaml": without})
    branch(root, "evaluation", OTHER_RATE | {"dvc.yaml": PIPELINE})
    done = run(root, base="before")
    assert done.outcomes() == {"evaluate": "trained", "score": "trained"}
    assert done.read("predictions.json")["model"] == 1.0


def test_a_model_that_base_has_not_is_said_and_left_out(root: Path) -> None:
    renamed = {"train.py": TRAIN.replace("net.txt", "new.txt"), "evaluate.py": EVALUATE.replace("net.txt", "new.txt")}
    branch(root, "renamed", renamed | {"dvc.yaml": PIPELINE.replace("net.txt", "new.txt")})
    done = run(root)
    assert done.outcomes() == {"evaluate": "skipped", "score": "skipped"}
    assert "rescored base: evaluate is left out: base has no models/new.txt" in done.said
    assert not any(result.present for result in done.stages.rescored)


def test_a_model_that_heads_evaluation_cannot_read_stops_nothing(root: Path) -> None:
    strict = EVALUATE + "assert said['model'] == 2.0, 'this model has another shape'\n"
    branch(root, "shape", OTHER_RATE | {"evaluate.py": strict})
    done = run(root)
    assert done.outcomes() == {"evaluate": "failed", "score": "skipped"}
    failed: StageResult = done.stages.rescored[0]
    assert "this model has another shape" in failed.log_tail
    assert not done.stages.failed("head")
    assert not done.stages.failed("base")


def test_a_model_that_only_the_remote_has_is_fetched(root: Path, tmp_path: Path) -> None:
    remote = f"[core]\n    analytics = false\n    remote = s\n['remote \"s\"']\n    url = {tmp_path / 'storage'}\n"
    commit(root, "a remote", {".dvc/config": remote})
    branch(root, "both", OTHER_DATA | OTHER_RATE)
    run(root)
    dvc(root, "push", "--run-cache")
    for made in (root, root / ".pawl" / "base" / git(root, "rev-parse", "main")[:16]):
        assert (made / "models").exists()
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--branch=both", str(root), str(clone))
    write(clone, OTHER_CODE)
    commit(clone, "judged otherwise")
    done = run(clone)
    assert done.outcomes()["evaluate"] == "trained"
    assert (done.read("predictions.json")["model"], done.read("predictions.json")["how"]) == (1.0, "strict")
    assert not (clone / "runs.log").exists(), "both models were there"


def test_a_parameter_that_is_set_is_heads(root: Path) -> None:
    commit(root, "other data since", OTHER_DATA)
    done = run(root, base="HEAD~1", overrides=("train.rate=4.0",))
    assert (done.read("predictions.json")["model"], done.read("predictions.json")["test"]) == (1.0, "xx yy")
    assert (done.root / "params.yaml").read_text().endswith("rate: 4.0\n")


def test_what_is_in_no_commit_is_not_rescored(root: Path) -> None:
    branch(root, "both", OTHER_RATE)
    write(root, OTHER_DATA)
    with pytest.raises(InputError, match="--rescore runs what head's commit has"):
        run(root, allow_dirty=True)


def test_the_commands_hand_it_on_in_one_file(root: Path) -> None:
    branch(root, "both", OTHER_DATA | OTHER_RATE)
    assert pawl(root, "plan").returncode == 0
    done = pawl(root, "reproduce", "--rescore", "--json")
    assert done.returncode == 0, done.stderr
    stages = Stages.model_validate_json(done.stdout)
    assert [result.name for result in stages.rescored] == ["evaluate", "score"]
    assert re.search(r"rescored base: score done in .* \(2 of 2\)", done.stderr)
    head = open_session(Choices(root)).head
    project = rescored_project(head, stages.head.commit, root)
    assert json.loads((project.root / "metrics.json").read_text()) == {"score": 15.0}
    with pytest.raises(InputError, match="run `pawl reproduce --rescore`"):
        rescored_project(head, stages.base.commit, root)
    shutil.rmtree(root / ".pawl")
    with pytest.raises(InputError, match="run `pawl reproduce --rescore`"):
        rescored_project(head, stages.head.commit, root)

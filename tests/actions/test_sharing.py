"""What the planning job tells the runners that share the work, and what each of them believes and does."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path

import pytest

from pawl.actions.planning import plan_run, pull_run
from pawl.actions.runs import Run, current_run, write_outputs
from pawl.actions.sharing import MOST_CHARACTERS, MOST_SHARE_CHARACTERS, keep_run, matrices, read_share, share_run
from pawl.errors import InputError
from pawl.schema import Plan, Revision, StagePlan
from tests.support.repositories import branch, git, make_repository, pawl

RECORD = "import os, sys\nopen(os.environ['STAGE_RECORD'], 'a').write(' '.join(sys.argv) + '\\n')\n"
TRAIN = """
rate = open("params.yaml").read()
assert f"not {sys.argv[1]}" not in rate
open(sys.argv[1], "w").write(rate + sys.argv[1])
"""
FILES = {
    "prepare.py": RECORD + "open('prepared.txt', 'w').write(open('data.txt').read())\n",
    "train.py": RECORD + TRAIN,
    "dvc.yaml": """\
stages:
  prepare: {cmd: python prepare.py, deps: [prepare.py, data.txt], outs: [prepared.txt]}
  train:
    matrix: {task: [a, b]}
    cmd: python train.py ${item.task}
    deps: [train.py, prepared.txt]
    params: [train.rate]
    outs: ["${item.task}"]
""",
}
CONFIG = "base: main\nresources:\n  prepare: {gpus: 0}\n"


class Fleet:
    """A pull request's commit, and runners that have nothing in common but the pull requests' remote."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str]) -> None:
        self.folder = folder
        self.record = folder / "record.txt"
        self.origin = make_repository(folder / "origin", FILES, config=CONFIG)
        branch(self.origin, "change", {"params.yaml": "train:\n  rate: 2.0\n", **files})
        monkeypatch.setenv("STAGE_RECORD", str(self.record))
        monkeypatch.setenv("PAWL_PULL_REQUESTS_REMOTE", str(folder / "remote"))
        monkeypatch.setenv("PAWL_CACHE", "pull-requests")

    def runner(self, name: str) -> Path:
        """A fresh checkout, with a cache that no other has."""
        target = self.folder / name
        if not target.exists():
            git(self.folder, "clone", "--quiet", str(self.origin), str(target))
        git(target, "checkout", "--quiet", "--force", "--detach", "origin/change")
        git(target, "clean", "--quiet", "-ffdx", "--exclude=.dvc/cache")
        return target

    def run(self, **inputs: str) -> Run:
        event = self.folder / "event.json"
        event.write_text(json.dumps({"repository": {"default_branch": "main"}, "inputs": inputs}))
        return current_run({"GITHUB_EVENT_PATH": str(event), "GITHUB_EVENT_NAME": "workflow_dispatch"}, None)

    def plan(self, said: list[str] | None = None, **inputs: str) -> list[list[list[str]]]:
        """The shares of each level, as the planning job puts them out."""
        folder = self.runner(f"planner{len(list(self.folder.iterdir()))}")
        run, say = self.run(**inputs), (said if said is not None else []).append
        shares = plan_run(run, folder, use_remote=True, say=say, shared=True).shares
        levels = [shares[f"shares_{level}"] for level in (1, 2, 3)]
        return [[json.loads(share["stages"]) for share in json.loads(level)] for level in levels if level]

    def make(self, name: str, share: list[str], said: list[str] | None = None) -> list[str]:
        """What one runner does with its share; the stages that it has failed at."""
        folder, text, say = self.runner(name), json.dumps(share), (said if said is not None else []).append
        pull_run(self.run(), folder, use_remote=True, say=say, share=text)
        stages = share_run(folder, text, jobs=2, say=say, watch=lambda progress: nullcontext())
        keep_run(folder, text, say=say)
        return [f"{one.side}:{one.name}" for one in stages.stages if one.outcome == "failed"]

    def made(self) -> list[str]:
        """The commands that ran, oldest first."""
        return self.record.read_text().splitlines() if self.record.exists() else []


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    return Fleet(tmp_path, monkeypatch, {})


TRAININGS = [["head:train@a"], ["head:train@b"], ["base:train@a"], ["base:train@b"]]


def test_runners_hand_on_what_they_make_until_nothing_is_left(fleet: Fleet) -> None:
    assert fleet.plan() == [[["head:prepare"]], TRAININGS]
    assert fleet.make("one", ["head:prepare"]) == []
    assert fleet.make("two", ["head:train@a"]) == []
    assert fleet.made() == ["prepare.py", "train.py a"]
    # Started again by hand, with the rest: what is known is no work for anybody.
    assert fleet.plan() == [[["head:train@b"], ["base:train@a"], ["base:train@b"]]]
    for share in ([*TRAININGS[0], *TRAININGS[2]], [*TRAININGS[1], *TRAININGS[3]]):
        assert fleet.make(f"runner of {share[0]}", share) == []
    assert sorted(fleet.made()) == ["prepare.py", *["train.py a"] * 2, *["train.py b"] * 2]
    said: list[str] = []
    assert fleet.plan(said) == []
    assert "one runner makes it all: there is nothing to share out" in said


def test_a_runner_is_not_filled_with_what_its_share_does_not_read(fleet: Fleet) -> None:
    fleet.make("one", ["head:prepare", "head:train@a"])
    fleet.make("two", ["base:train@b"])
    files = [path for path in (fleet.folder / "two/.dvc/cache/pull-requests/files").rglob("*") if path.is_file()]
    assert {path.read_text() for path in files} == {"a b c\n", "train:\n  # Step size.\n  rate: 1.0\nb"}
    fleet.make("one", ["head:train@b"])
    assert fleet.made() == ["prepare.py", "train.py a", "train.py b", "train.py b"]
    assert [name for name in ("prepared.txt", "a", "b") if (fleet.folder / "one" / name).exists()] == [
        "prepared.txt",
        "b",
    ]


def test_a_runner_makes_nothing_of_what_others_should_have_made(fleet: Fleet) -> None:
    said: list[str] = []
    assert fleet.make("two", ["head:train@a"], said) == []
    assert fleet.made() == []
    assert any(line.startswith("head:train@a is left to the last job: ") for line in said)


def test_a_runner_keeps_what_it_made_beside_what_failed_and_nothing_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = Fleet(tmp_path, monkeypatch, {"params.yaml": "train:\n  rate: 2.0 # not b\n"})
    fleet.make("one", ["head:prepare"])
    said: list[str] = []
    assert fleet.make("two", ["head:train@a", "head:train@b"], said) == ["head:train@b"]
    assert [line for line in said if line.startswith("pushed")] == ["pushed train@a"]
    assert fleet.plan() == [[["head:train@b"], ["base:train@a"], ["base:train@b"]]]


@pytest.mark.parametrize(
    ("what", "otherwise"),
    [
        ('outs: ["${item.task}"]', 'outs: [{"${item.task}": {persist: true}}]'),
        ("    matrix:", "    always_changed: true\n    matrix:"),
    ],
    ids=["persist", "always changed"],
)
def test_results_that_have_no_key_are_made_by_the_last_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, otherwise: str
) -> None:
    fleet = Fleet(tmp_path, monkeypatch, {"dvc.yaml": FILES["dvc.yaml"].replace(what, otherwise)})
    assert fleet.plan() == [[["head:prepare"]], TRAININGS[2:]]


@pytest.mark.parametrize(
    ("inputs", "environment", "reason"),
    [
        ({"force": "true"}, {}, "what is forced to run cannot be taken over"),
        ({}, {"PAWL_PULL_REQUESTS_REMOTE": ""}, "there is no remote of pull requests"),
        # A run whose results are main's own is not told what pull requests keep, whatever the address says.
        ({}, {"PAWL_CACHE": "main"}, "there is no remote of pull requests"),
    ],
)
def test_where_results_cannot_be_handed_over_one_runner_makes_it_all(
    fleet: Fleet,
    monkeypatch: pytest.MonkeyPatch,
    inputs: dict[str, str],
    environment: dict[str, str],
    reason: str,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    said: list[str] = []
    assert fleet.plan(said, **inputs) == []
    assert any(reason in line for line in said)


def test_a_dry_run_is_shared_out_to_nobody(fleet: Fleet) -> None:
    folder = fleet.runner("planner")
    planned = plan_run(fleet.run(dry_run="true"), folder, use_remote=True, say=lambda line: None, shared=True)
    assert (planned.train, planned.shares) == (False, {})


PLAN = Plan(
    base=Revision(commit="b" * 40, name="main"),
    head=Revision(commit="a" * 40, name="change"),
    stages=(
        StagePlan(name="my  train", action="run", base_action="run", recipe_key=None, stage_key=None),
        StagePlan(name="new", action="run", base_action="absent", recipe_key=None, stage_key=None),
    ),
)


def test_a_matrix_is_one_line_and_says_what_it_was_told(tmp_path: Path) -> None:
    share = ("head:my  train", "base:my  train", "head:new")
    found = matrices([[share], [("head:new",)]])
    output = tmp_path / "output"
    write_outputs({"GITHUB_OUTPUT": str(output)}, found)
    written = dict(line.split("=", 1) for line in output.read_text().splitlines())
    [entry] = json.loads(written["shares_1"])
    assert (entry["id"], entry["name"]) == ("1-1", "head:my  train and 2 more")
    assert read_share(entry["stages"], PLAN) == share
    [entry] = json.loads(written["shares_2"])
    assert (entry["id"], entry["name"]) == ("2-1", "head:new")


def test_a_matrix_stays_within_githubs_bounds() -> None:
    large = tuple(f"head:{index:0100}" for index in range(MOST_SHARE_CHARACTERS // 130))
    found = matrices([[large, (*large, *large), ("head:a",)], [large] * 20])
    assert [json.loads(one["stages"]) for one in json.loads(found["shares_1"])] == [list(large), ["head:a"]]
    assert 1 <= len(json.loads(found["shares_2"])) < 20
    assert sum(map(len, found.values())) <= MOST_CHARACTERS + 10


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("head:new", "is not a list of stages in JSON"),
        ("[]", "is not a list of stages in JSON"),
        ('{"head:new": 1}', "is not a list of stages in JSON"),
        ("[1]", "is not a list of stages in JSON"),
        ("[" * 100_000, "is not a list of stages in JSON"),
        ('["head:new", "head:other"]', "'head:other' in the share is no stage"),
        ('["base:new"]', "'base:new' in the share is no stage"),
        ('["new"]', "'new' in the share is no stage"),
        ('["head:\\u001b[2J\\n"]', "'head:\\x1b[2J\\n' in the share is no stage"),
    ],
)
def test_a_share_of_anything_but_the_plans_stages_is_refused(text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        read_share(text, PLAN)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 400


def test_the_command_refuses_it_in_a_sentence(fleet: Fleet) -> None:
    folder = fleet.runner("one")
    pull_run(fleet.run(), folder, use_remote=True, say=lambda line: None)
    for command in ("share", "keep"):
        done = pawl(folder, "ci", command, env={"PAWL_SHARE": '["head:nothing"]'})
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert "'head:nothing' in the share is no stage of this commit's plan" in done.stderr
    assert fleet.made() == []

"""Runs that a maintainer starts by hand: each input does what it says, and what cannot be meant starts nothing."""

from __future__ import annotations

import pytest

from tests.e2e.act import Run
from tests.e2e.test_pull_request import RATE, WORSE, assert_went_well, outcomes
from tests.e2e.world import SLUG, World
from tests.support.repositories import commit, git

BEFORE_GATE = ["Believe only what is valid", "Report", "Comment"]


def summary(run: Run) -> str:
    """What the run's page says of the result."""
    [text] = run.summaries("report")
    return text


def test_overrides_are_measured_and_told_on_the_runs_page(world: World) -> None:
    run = world.dispatch({"overrides": "train.rate=0.5"}, "one")

    assert_went_well(run, "train", ["Pull", "Train", "Compare"])
    assert run.job("report").steps["Gate"] == "failure"
    assert summary(run).startswith(WORSE)
    assert "- set for this run: `train.rate=0.5`" in summary(run)
    # A commit's gate rests on the commit as it is, and not as somebody wished it.
    assert world.statuses() == []
    assert world.github.state.checks == {}


def test_a_fork_is_trained_at_exactly_the_commit_that_was_read(world: World) -> None:
    event = world.open_pull_request(7, "theirs", {"params.yaml": RATE.format("2.0")}, "A gift")
    commit_read = event["pull_request"]["head"]["sha"]
    pull = world.github.state.pulls[(SLUG, 7)]
    pull.head_repository = "somebody/ct"
    run = world.dispatch({"pull_request": "7", "commit": commit_read}, "one")

    assert_went_well(run, "train", ["Pull", "Train", "Compare"])
    # Nobody logs in for a stranger's code: base is trained here too, or known from this machine.
    assert not world.logins.exists()
    [comment] = world.comments(7)
    assert comment.body.startswith("### ✅ **Better**: `accuracy` 0.600 → 0.700")
    assert world.statuses() == [(commit_read, "success", "pawl")]

    # By now there is a newer commit, which nobody has read.
    pull.head_sha = "f" * 40
    run = world.dispatch({"pull_request": "7", "commit": commit_read}, "one")

    assert outcomes(run, "plan", ["Decide who may do what", "Plan"]) == ["failure", None]
    assert f"pull request 7 is at {'f' * 40}, not at" in run.log
    assert (run.job("train").steps, run.job("report").steps) == ({}, {})
    assert len(world.statuses()) == 1


def test_a_dry_run_says_what_would_run_and_runs_nothing(world: World) -> None:
    event = world.open_pull_request(7, "faster", {"params.yaml": RATE.format("2.7")}, "Raise the rate")
    inputs = {"pull_request": "7", "commit": event["pull_request"]["head"]["sha"], "dry_run": "true"}
    run = world.dispatch(inputs, "one")

    assert run.exit_code == 0, run.told()
    assert run.job("train").steps == {}
    assert world.stages_run() == []
    [comment] = world.comments(7)
    assert comment.body.startswith("**Plan**: run 2 stages of head and 0 of base, restore 0 of head.")
    assert "- `train`: params `train.rate` `1.0` → `2.7`" in comment.body
    assert world.statuses() == []


def test_force_trains_what_is_known(world: World) -> None:
    git(world.work, "checkout", "--quiet", "main")
    commit(world.work, "Raise the rate", {"params.yaml": RATE.format("1.5")})
    world.push_main()
    world.push_results("main")
    run = world.dispatch({"base": "main~1", "force": "false"}, "one")
    assert run.exit_code == 0, run.told()
    assert world.stages_run() == []

    run = world.dispatch({"base": "main~1", "force": "true"}, "one")
    assert run.exit_code == 0, run.told()
    assert [(stage["stage"], stage["side"]) for stage in world.stages_run()] == [
        ("train", "head"),
        ("evaluate", "head"),
    ]


def test_tasks_data_and_seeds_are_wishes_too(world: World) -> None:
    git(world.work, "checkout", "--quiet", "main")
    params = "tasks: [digits, pets]\ntrain:\n  rate: 1.0\n  seed: 1\n  data: {path: data.txt, rev: dv1}\n"
    pipeline = (world.work / "dvc.yaml").read_text()
    code = (world.work / "train.py").read_text()
    files = {
        "params.yaml": params,
        "dvc.yaml": pipeline.replace("params: [train.rate]", "params: [tasks, train.rate, train.seed, train.data]"),
        # The seed moves the result a little, as the luck of a training does.
        "train.py": code.replace(
            "FACTOR = 1.0", 'FACTOR = 1 + yaml.safe_load(open("params.yaml"))["train"]["seed"] / 1e4'
        ),
    }
    commit(world.work, "More to wish for", files)
    world.push_main()
    run = world.dispatch({"tasks": "pets", "data_revision": "dv2", "seeds": "2"}, "one")

    assert_went_well(run, "train", ["Pull", "Train", "Compare"])
    said = summary(run)
    assert '`tasks=["pets"]`' in said
    assert '`train.data.rev="dv2"`' in said
    # Base with two other seeds, and head.
    assert [stage["stage"] for stage in world.stages_run()].count("train") >= 3
    assert "Seed s.d." in said
    assert "luck is not measured" not in said


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        ({"overrides": "train.rate=1 $(touch stolen)"}, "is not KEY=VALUE"),
        ({"base": "--upload-pack=touch stolen"}, "is not a branch, tag or commit"),
        ({"overrides": "train.rat=1"}, 'did you mean "train.rate"?'),
    ],
    ids=["command", "refspec", "typo"],
)
def test_what_cannot_be_meant_starts_nothing_and_says_why(world: World, inputs: dict[str, str], sentence: str) -> None:
    run = world.dispatch(inputs, "one")

    assert run.job("plan").result == "failure"
    assert sentence in run.told()
    assert run.job("train").steps == {}
    assert world.stages_run() == []

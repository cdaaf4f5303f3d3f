"""Runs that no pull request started: a push to main, and one that a maintainer dispatched."""

from __future__ import annotations

from tests.e2e.test_pull_request import RATE, WORSE, assert_green
from tests.e2e.world import REPOSITORY, SLUG, World
from tests.support.repositories import commit, git


def test_a_push_to_main_is_measured_against_what_was_there_before(world: World) -> None:
    before = git(world.work, "rev-parse", "main")
    world.github.add_pull_request(SLUG, 7)
    after = commit(world.work, "Raise the rate", {"params.yaml": RATE.format("1.5")})
    world.push_main()
    event = {"before": before, "after": after, "ref": "refs/heads/main", "repository": REPOSITORY}
    run = world.run("push", event, "runner-1")

    assert_green(run)
    assert [stage["stage"] for stage in world.stages_run()] == ["train", "evaluate"]
    assert world.statuses() == [(after, "success", "pawl")]
    assert world.comments(7) == []

    # After a force push nobody knows what was before: all of main is made sure of, and what is known is not trained.
    event["before"] = "0" * 40
    run = world.run("push", event, "runner-1")

    assert_green(run)
    assert len(world.stages_run()) == 2
    assert world.statuses()[1:] == [(after, "success", "pawl")]


def test_a_dispatched_run_sets_parameters_and_comments_where_it_is_told(world: World) -> None:
    sha = git(world.work, "rev-parse", "main")
    world.github.add_pull_request(SLUG, 7)
    inputs = {"base": "", "overrides": "train.rate=0.5 ", "force": "false", "pull_request": "7"}
    run = world.run("workflow_dispatch", {"inputs": inputs, "ref": "refs/heads/main", "repository": REPOSITORY}, "one")

    assert run.job("train").result == "success", run.log[-20_000:]
    assert run.job("report").steps["Gate"] == "failure"
    [comment] = world.comments(7)
    assert comment.body.startswith(WORSE)
    assert "- set for this run: `train.rate=0.5`" in comment.body
    assert world.statuses() == [(sha, "failure", "pawl")]

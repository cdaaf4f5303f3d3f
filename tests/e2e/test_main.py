"""Main: what a merge leaves behind, and what the schedule finds."""

from __future__ import annotations

import yaml

from tests.e2e.test_pull_request import RATE, assert_green, assert_went_well
from tests.e2e.world import REPOSITORY, SLUG, World
from tests.fakes.github_state import PullRequest
from tests.support.repositories import commit, git

PUSH_STEPS = ["Plan", "Pull", "Drop the credentials", "Train what nobody has trained", "Push", "Hand over"]


def merged(world: World, rate: str) -> tuple[str, dict[str, object]]:
    """A push to main with another rate: the commit and the event."""
    git(world.work, "checkout", "--quiet", "main")
    before = git(world.work, "rev-parse", "main")
    after = commit(world.work, f"Rate {rate}", {"params.yaml": RATE.format(rate)})
    world.push_main()
    return after, {"before": before, "after": after, "ref": "refs/heads/main", "repository": REPOSITORY}


def test_a_merge_is_measured_and_its_results_go_to_mains_remote_with_dvc_lock(world: World) -> None:
    after, event = merged(world, "2.5")
    run = world.run("push", event, "runner-1")

    assert_green(run)
    assert [stage["stage"] for stage in world.stages_run()] == ["train", "evaluate"]
    assert (after, "success", "pawl") in world.statuses()
    assert_went_well(run, "push", PUSH_STEPS)
    assert_went_well(run, "record", ["Take over dvc.lock", "Record"])
    assert world.logins.read_text().split() == [
        "plan", "reader@acme", "train", "reader@acme", "push", "reader@acme", "push", "writer@acme",
    ]  # fmt: skip

    # The lock is proposed on a branch of its own, green by its own status, since no workflow runs for it.
    contents = world.github.state.contents[SLUG]
    lock = yaml.safe_load(contents.files("pawl/dvc-lock")["dvc.lock"])
    assert lock["stages"]["train"]["params"] == {"params.yaml": {"train.rate": 2.5}}
    [proposal] = [pull for pull in world.github.state.pulls.values() if pull.head_ref == "pawl/dvc-lock"]
    assert isinstance(proposal, PullRequest)
    assert (contents.branches["pawl/dvc-lock"], "success", "pawl") in world.statuses()

    # A runner that has never seen any of it has main's side from the remote, with the record of its run.
    opened = world.open_pull_request(8, "faster", {"params.yaml": RATE.format("2.6")}, "Raise the rate")
    run = world.run("pull_request", opened, "runner-2")

    assert_green(run)
    assert [(stage["stage"], stage["side"]) for stage in world.stages_run()[2:]] == [
        ("train", "head"),
        ("evaluate", "head"),
    ]
    [comment] = world.comments(8)
    [receipt] = [line for line in comment.body.splitlines() if line.startswith("| `train` | base | ♻️ restored")]
    assert f"`{after[:7]}`" in receipt

    # Again, after a force push: nobody knows what was before, so all of main is made sure of. Nothing is trained twice.
    event["before"] = "0" * 40
    git(world.work, "checkout", "--quiet", "main")
    run = world.run("push", event, "runner-1")

    assert_green(run)
    assert len(world.stages_run()) == 4
    assert len([pull for pull in world.github.state.pulls.values() if pull.head_ref == "pawl/dvc-lock"]) == 1


def test_results_of_pull_requests_do_not_become_mains_in_a_public_repository(world: World) -> None:
    """A pull request can write any receipt into the cache that it uses."""
    opened = world.open_pull_request(7, "faster", {"params.yaml": RATE.format("1.3")}, "Raise the rate")
    assert_green(world.run("pull_request", opened, "runner-1"))
    _, event = merged(world, "1.3")
    assert_green(world.run("push", event, "runner-1"))
    assert [stage["stage"] for stage in world.stages_run()] == ["train", "evaluate"] * 2

    # In a private one everybody who could do it may push anyway, and nothing is trained twice.
    opened = world.open_pull_request(8, "faster-still", {"params.yaml": RATE.format("1.7")}, "More")
    assert_green(world.run("pull_request", opened, "runner-1"))
    _, event = merged(world, "1.7")
    event["repository"] = REPOSITORY | {"private": True}
    assert_green(world.run("push", event, "runner-1"))
    assert len(world.stages_run()) == 6


def test_the_schedule_trains_when_the_data_has_moved_and_opens_one_issue_when_it_is_worse(world: World) -> None:
    git(world.work, "checkout", "--quiet", "main")
    files = {
        "params.yaml": "train:\n  rate: 1.0\n  data: {path: data.txt, rev: dv1}\n",
        "dvc.yaml": (world.work / "dvc.yaml").read_text().replace("[train.rate]", "[train.rate, train.data]"),
        "train.py": (world.work / "train.py")
        .read_text()
        .replace(
            "FACTOR = 1.0",
            'FACTOR = 0.5 if yaml.safe_load(open("params.yaml"))["train"]["data"]["rev"] == "dv2" else 1.0',
        ),
        "pawl.yaml": (world.work / "pawl.yaml").read_text() + 'data_tags: "dv*"\n',
    }
    commit(world.work, "Data by tags", files)
    git(world.work, "tag", "dv1")
    world.push_main()
    event = {"repository": REPOSITORY, "schedule": "17 3 * * *"}
    run = world.run("schedule", event, "runner-1")

    assert run.exit_code == 0, run.told()
    assert run.job("train").steps == {}
    assert world.issues() == []

    git(world.work, "tag", "dv2")
    world.push_main()
    for _ in range(2):
        run = world.run("schedule", event, "runner-1")
        assert run.job("report").steps["Gate"] == "failure", run.told()
        assert run.job("report").steps["Tell by an issue"] == "success"
        assert run.job("report").steps.get("Comment") in (None, "skipped")
        [issue] = world.issues()
        assert "worse" in issue.title
        assert '`train.data.rev="dv2"`' in issue.body
    assert [(stage["stage"], stage["side"]) for stage in world.stages_run()].count(("train", "head")) == 1

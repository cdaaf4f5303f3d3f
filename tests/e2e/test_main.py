"""Main: what a merge leaves behind, and what the schedule finds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
import yaml
from mlflow import MlflowClient

from tests.e2e.test_pull_request import RATE, assert_green, assert_went_well
from tests.e2e.world import RECORD, REPOSITORY, SLUG, World
from tests.fakes.github_state import PullRequest
from tests.faults.site import serve_mlflow
from tests.registry.keys import make_keys
from tests.registry.pipeline import PACKAGE
from tests.support.repositories import commit, git, pawl

PUSH_STEPS = ["Plan", "Pull", "Drop the credentials", "Train what nobody has trained", "Push", "Hand over"]
REGISTER_STEPS = [
    "Ask for the champions, and pull", "Drop the credentials", "Measure beside the champions", "Register", "Hand over",
]  # fmt: skip
PACKAGE_STAGE = """
  package:
    cmd: python package.py
    deps: [package.py, model.txt]
    outs: [packages/pets]
"""


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
    assert_went_well(run, "register", REGISTER_STEPS)
    assert "there is nothing to register" in run.job("register").said["Register"]
    assert_went_well(run, "record", ["Take over dvc.lock", "Record"])
    assert world.logins.read_text().split() == [
        "plan", "reader@acme", "train", "reader@acme", "push", "reader@acme", "push", "writer@acme",
        "register", "reader@acme",
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


@pytest.fixture(scope="module")
def mlflow_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve_mlflow(tmp_path_factory.mktemp("registry") / "mlflow") as url:
        yield url


def test_a_merge_makes_a_signed_version_that_is_champion_while_it_holds(
    world: World, mlflow_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private, public = make_keys(tmp_path)
    world.mlflow_url, world.signing_key = mlflow_url, private.read_text()
    git(world.work, "checkout", "--quiet", "main")
    # A module of its own: Python imports one of a name, and tests beside this one load a package too.
    script = RECORD % "package" + PACKAGE.replace("model.json", "model.txt").replace("pets_model", "merged_model")
    files = {
        "package.py": script.replace('json.loads(pathlib.Path(path).read_text())["skill"]', "float(open(path).read())"),
        "dvc.yaml": (world.work / "dvc.yaml").read_text() + PACKAGE_STAGE.lstrip("\n"),
        "model-signing.pub": public.read_text(),
    }
    commit(world.work, "Package the model", files)
    first, event = merged(world, "2.5")
    run = world.run("push", event, "runner-1")

    assert run.exit_code == 0, run.told()
    assert_green(run)
    assert_went_well(run, "register", REGISTER_STEPS)
    client = MlflowClient(tracking_uri=mlflow_url)
    assert client.get_registered_model("ct-pets").aliases == {"candidate": "1", "champion": "1"}

    second, event = merged(world, "3.5")
    run = world.run("push", event, "runner-1")

    assert_green(run)
    assert "is what was signed" in run.job("register").said["Ask for the champions, and pull"]
    assert client.get_registered_model("ct-pets").aliases == {"candidate": "2", "champion": "2"}
    old, new = (client.get_model_version("ct-pets", number) for number in "12")
    assert (old.tags["pawl.commit"], new.tags["pawl.commit"]) == (first, second)
    assert new.tags["pawl.signed"] == "yes"
    assert f"https://github.com/{SLUG}/commit/{second}" in new.description
    assert "| 0.75 | 0.85 | better |" in new.description
    assert client.get_run(new.run_id).info.status == "FINISHED"

    # Nothing of it was within reach of a stage, and no stage ran where the registry could be written.
    seen = {name for stage in world.stages_run() for name in stage["environment"]}
    assert not [name for name in seen if name.startswith("MLFLOW") or name == "PAWL_SIGNING_KEY"]
    assert not any(stage["logins"] for stage in world.stages_run())
    assert private.read_text().splitlines()[1] not in run.log

    # Whoever uses it needs the server and the public key alone.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_url)
    mlflow.set_tracking_uri(mlflow_url)
    assert mlflow.pyfunc.load_model("models:/ct-pets@champion").predict([[0]]) == [3.5]
    git(world.work, "checkout", "--quiet", "--force", "main")
    done = pawl(world.work, "verify", "models:/ct-pets@champion")
    assert (done.returncode, done.stdout) == (0, "ok: models:/ct-pets@champion is what was signed\n"), done.stderr
    done = pawl(world.work, "promote", "--rollback", env={"GITHUB_REPOSITORY": SLUG})
    assert done.returncode == 0, done.stderr
    assert client.get_registered_model("ct-pets").aliases == {"candidate": "2", "champion": "1"}
    assert mlflow.pyfunc.load_model("models:/ct-pets@champion").predict([[0]]) == [2.5]


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

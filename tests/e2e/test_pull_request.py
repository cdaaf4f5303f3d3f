"""Pull requests from the push to the comment: the workflow itself, run by act against real servers on this machine."""

from __future__ import annotations

import re
from pathlib import Path

from tests.e2e.act import Run
from tests.e2e.storage import BUCKET
from tests.e2e.world import World

RATE = "train:\n  # Step size.\n  rate: {}\n"
PLAN_STEPS = ["Decide who may do what", "Plan", "Hand over"]
TRAIN_STEPS = ["Pull", "Drop the credentials", "Train", "Compare", "Track", "Hand over"]
REPORT_STEPS = [
    "Take over what was handed over",
    "Believe only what is valid",
    "Report",
    "Pictures",
    "Keep the report",
    "Comment",
    "Gate",
]


def outcomes(run: Run, job: str, steps: list[str]) -> list[str | None]:
    """How each of the steps ended; None for one that did not run, be it skipped or for a label that act lacks."""
    return [run.job(job).steps.get(step) for step in steps]


def start(body: str) -> str:
    """The comment up to its table of stages, in which seconds and bytes are, with every picture called DAY/DIGEST."""
    named = re.sub(r"/pawl-images/[0-9-]{10}/[0-9a-f]{64}\.png", "/pawl-images/DAY/DIGEST.png", body)
    return named.partition("<details>\n<summary><b>Stages</b>")[0]


def history(body: str) -> list[tuple[str, str]]:
    """(commit, verdict) of each row of the comment's history, the newest push first."""
    return re.findall(r"^\| ([0-9a-f]{40}) \| (.+?) \|", body.partition("<summary><b>History</b>")[2], re.MULTILINE)


def assert_went_well(run: Run, job: str, steps: list[str]) -> None:
    assert outcomes(run, job, steps) == ["success"] * len(steps), run.told()
    assert run.job(job).result == "success", run.told()


def assert_green(run: Run, *, trained: bool = True) -> None:
    """Every job that should have run did, and every step of it."""
    assert_went_well(run, "plan", PLAN_STEPS)
    if trained:
        assert_went_well(run, "train", TRAIN_STEPS)
    else:
        assert run.job("train").steps == {}
    assert_went_well(run, "report", REPORT_STEPS)
    assert run.exit_code == 0


WHY_WORSE = "accuracy 0.6 → 0.55 (\u22120.05) is worse than base by more than the tolerance of 0.01"
WORSE = """\
### 🔻 **Worse**: `accuracy` 0.6000 → 0.5500, down by 0.0500
**How sure**: not known: luck is not measured, the tolerance of 0.010 alone decided. \
An interval needs predictions of both sides, or `pawl noise --seeds 5`.\\
**What to do**: ⛔ gate closed. Do not merge; see what changed below.

"""
IMPROVED = (Path(__file__).parent / "golden" / "improvement.md").read_text(encoding="utf-8")
UNCHANGED = """\
### ⚪ **Unchanged**: no code, parameter or data that a result follows from differs from base
**How sure**: certain, as every result follows from the same code, parameters and data on both sides.\\
**What to do**: 🟢 gate open. Nothing to do: judge the code alone."""
FAILED = """\
### ❌ **Failed**: {what}
**How sure**: not known, as there are no results to compare.\\
**What to do**: ⛔ gate closed. Do not merge{why}.

"""


def test_an_improvement_is_commented_once_and_trained_once(cold_world: World) -> None:
    world = cold_world
    event = world.open_pull_request(7, "faster", {"params.yaml": RATE.format("2.0")}, "Raise the rate")
    first = world.run("pull_request", event, "runner-1")

    assert_green(first)
    assert [(run["stage"], run["side"]) for run in world.stages_run()] == [("train", "head"), ("evaluate", "head")]
    [comment] = world.comments(7)
    base, head = event["pull_request"]["base"]["sha"], event["pull_request"]["head"]["sha"]
    first_merge = world.checked_out()
    assert start(comment.body) == IMPROVED.format(base=base, merge=first_merge)
    assert world.title_of(head) is not None
    assert history(comment.body) == [(head, "✅ better")]
    assert re.search(r"^\| `train` \| ♻️ restored \| 🔨 trained [0-9.]+ s \|", comment.body, re.MULTILINE)
    assert comment.body.endswith(f'\n\n![](https://cml.dev/watermark.png#{head} "CML watermark pawl")')
    assert world.statuses() == [(head, "success", "pawl")]
    # train and evaluate of both sides
    assert world.tracked_runs() == 4

    # The next push changes no input of a stage: the runner has the results, and the comment is the same one.
    event = world.push_to_pull_request(7, "faster", {"README.md": "Faster.\n"}, "Say so")
    second = world.run("pull_request", event, "runner-1")

    assert_green(second)
    assert len(world.stages_run()) == 2
    [updated] = world.comments(7)
    assert (updated.id, updated.updates) == (comment.id, 1)
    assert start(updated.body) == IMPROVED.format(base=base, merge=world.checked_out())
    assert history(updated.body) == [(event["pull_request"]["head"]["sha"], "✅ better"), (head, "✅ better")]
    assert world.statuses()[1:] == [(event["pull_request"]["head"]["sha"], "success", "pawl")]

    # A runner that has never seen any of it takes both sides out of the bucket.
    world.push_results("faster")
    third = world.run("pull_request", event, "runner-2")

    assert_green(third)
    assert len(world.stages_run()) == 2
    [updated] = world.comments(7)
    assert (updated.id, updated.updates) == (comment.id, 2)
    assert start(updated.body) == IMPROVED.format(base=base, merge=world.checked_out())
    assert history(updated.body) == [(event["pull_request"]["head"]["sha"], "✅ better"), (head, "✅ better")]
    assert re.search(r"^\| `train` \| ♻️ restored \| ♻️ restored \|", updated.body, re.MULTILINE)
    assert world.tracked_runs() == 4


def test_another_runner_finds_what_the_first_has_kept(world: World) -> None:
    world.pull_requests_remote = f"gs://{BUCKET}/kept-by-pull-requests"
    event = world.open_pull_request(7, "kept", {"params.yaml": RATE.format("2.125")}, "Another rate")
    first = world.run("pull_request", event, "runner-1")

    assert_green(first)
    assert outcomes(first, "train", ["Keep the results"]) == ["success"], first.told()
    made = len(world.stages_run())
    assert made > 0

    second = world.run("pull_request", event, "runner-2")
    assert_green(second)
    assert len(world.stages_run()) == made
    [comment] = world.comments(7)
    assert re.search(r"^\| `train` \| ♻️ restored \| ♻️ restored \|", comment.body, re.MULTILINE)


def test_a_regression_closes_the_gate_and_its_stages_saw_no_secret(world: World) -> None:
    event = world.open_pull_request(7, "slower", {"params.yaml": RATE.format("0.5")}, "Lower the rate")
    run = world.run("pull_request", event, "runner-1")

    assert outcomes(run, "train", TRAIN_STEPS) == ["success"] * len(TRAIN_STEPS), run.told()
    assert outcomes(run, "report", REPORT_STEPS) == ["success"] * (len(REPORT_STEPS) - 1) + ["failure"]
    assert (run.exit_code, run.job("train").result, run.job("report").result) == (1, "success", "failure")
    assert run.job("report").said["Gate"] == f"fail: {WHY_WORSE}\n"
    [comment] = world.comments(7)
    assert comment.body.startswith(WORSE)
    assert history(comment.body) == [(event["pull_request"]["head"]["sha"], "🔻 worse, gate closed")]
    assert world.statuses() == [(event["pull_request"]["head"]["sha"], "failure", "pawl")]

    assert len(world.stages_run()) == 2
    for stage in world.stages_run():
        seen = [name for name in stage["environment"] if re.search("TOKEN|SECRET|GOOGLE|MLFLOW|CREDENTIAL", name)]
        assert seen == []
        # The login that read the bucket was gone before the first of them began.
        assert stage["logins"] == []
    assert world.logins.read_text().splitlines() == ["plan reader@acme", "train reader@acme"]


def test_a_change_of_the_readme_trains_nothing(world: World) -> None:
    event = world.open_pull_request(7, "words", {"README.md": "Other words.\n"}, "Other words")
    run = world.run("pull_request", event, "runner-1")

    assert_green(run, trained=False)
    assert run.job("plan").said["Plan"].startswith("no training needed\n")
    assert world.stages_run() == []
    [comment] = world.comments(7)
    base, head = event["pull_request"]["base"]["sha"], event["pull_request"]["head"]["sha"]
    verdict, footer, *_ = comment.body.split("\n\n")
    assert verdict == UNCHANGED
    assert footer == f"<sub>`words` {world.checked_out()} against `main` {base}</sub>"
    assert world.statuses() == [(head, "success", "pawl")]


def test_a_stage_that_fails_is_named(world: World) -> None:
    event = world.open_pull_request(7, "broken", {"evaluate.py": "raise SystemExit('no scores today')\n"}, "Break it")
    run = world.run("pull_request", event, "runner-1")

    assert run.job("train").result == "failure"
    assert outcomes(run, "train", TRAIN_STEPS) == ["success", "success", "failure", "success", "success", "success"]
    assert outcomes(run, "report", REPORT_STEPS) == ["success"] * (len(REPORT_STEPS) - 1) + ["failure"]
    [comment] = world.comments(7)
    assert comment.body.startswith(
        FAILED.format(
            what="head's stage `evaluate` ended with exit code 1", why=": the end of the log of `evaluate` is below"
        )
    )
    assert "no scores today" in comment.body
    assert world.statuses() == [(event["pull_request"]["head"]["sha"], "failure", "pawl")]


def test_a_run_that_ends_before_anything_says_so_on_the_pull_request(world: World) -> None:
    event = world.open_pull_request(7, "typo", {"dvc.yaml": "stages:\n  train: {comand: python train.py}\n"}, "Tidy up")
    run = world.run("pull_request", event, "runner-1")

    assert run.job("plan").result == "failure"
    assert outcomes(run, "plan", PLAN_STEPS) == ["success", "failure", "success"]
    assert run.job("train").steps == {}
    # There was nothing to take over, which stopped none of the steps after it.
    assert not (world.folder / "runner-1" / "artifacts" / "plan").exists()
    assert outcomes(run, "report", REPORT_STEPS) == ["failure", *["success"] * (len(REPORT_STEPS) - 2), "failure"]
    [comment] = world.comments(7)
    assert comment.body.startswith(
        FAILED.format(what="The training job ended before it planned anything; its log says why", why="")
    )
    assert world.statuses() == [(event["pull_request"]["head"]["sha"], "failure", "pawl")]


def test_a_fork_never_reaches_the_runner_and_is_planned_without_a_login(world: World) -> None:
    event = world.open_pull_request(7, "theirs", {"train.py": "raise SystemExit('mine now')\n"}, "A gift")
    event["pull_request"]["head"]["repo"]["full_name"] = "somebody/ct"
    run = world.run("pull_request", event, "runner-1")

    assert_went_well(run, "plan", PLAN_STEPS)
    assert run.job("train").steps == {}
    assert run.job("report").steps == {}
    assert run.exit_code == 0
    assert not world.logins.exists()
    assert world.stages_run() == []
    assert world.comments(7) == []
    assert world.statuses() == []
    # People who look at the run are told how a maintainer lets it.
    [summary] = run.summaries("plan")
    assert "The code comes from the fork somebody/ct: a maintainer reads it" in summary


def test_a_branch_that_moves_the_remote_is_refused_before_anything_is_read(world: World) -> None:
    settings = "[core]\n    remote = storage\n['remote \"storage\"']\n    url = gs://theirs/dvc\n"
    event = world.open_pull_request(7, "detour", {".dvc/config": settings}, "A nearer bucket")
    run = world.run("pull_request", event, "runner-1")

    assert outcomes(run, "plan", PLAN_STEPS)[:2] == ["success", "failure"]
    assert "this branch changes .dvc/config, which decides where results come from" in run.log
    assert run.job("train").steps == {}
    assert world.statuses() == [(event["pull_request"]["head"]["sha"], "failure", "pawl")]

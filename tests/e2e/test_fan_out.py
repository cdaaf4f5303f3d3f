"""A pull request whose stages many runners share: every job of the workflow has a runner and a cache of its own."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.act import Run
from tests.e2e.storage import BUCKET
from tests.e2e.test_pull_request import REPORT_STEPS, TRAIN_STEPS, assert_went_well, start
from tests.e2e.world import FILES, OWN, World, copy_own, make_world
from tests.fakes.github import FakeGitHub
from tests.support.repositories import make_repository

RECORD = """
import json, os, sys
with open(os.environ["STAGE_RECORD"], "a") as out:
    here = {"stage": " ".join(sys.argv), "folder": os.getcwd(), "runner": os.environ["DVC_GLOBAL_CONFIG_DIR"]}
    here["logins"] = [name for name in os.listdir(os.getcwd().partition("/.pawl/")[0]) if "creds" in name]
    out.write(json.dumps({**here, "environment": sorted(os.environ)}) + "\\n")
"""
# Where the file `kill` beside the record names a task, the next training of it takes its runner's pawl with it.
PIPELINE = {
    "prepare.py": RECORD + 'open("prepared.txt", "w").write(open("data.txt").read())\n',
    "train.py": RECORD
    + """
import pathlib, signal, yaml
task, order = sys.argv[1], pathlib.Path(os.environ["STAGE_RECORD"]).with_name("kill")
if order.exists() and order.read_text() == task:
    order.unlink()
    above = os.getppid()
    while b"\\0share\\0" not in pathlib.Path(f"/proc/{above}/cmdline").read_bytes() + b"\\0":
        above = int(pathlib.Path(f"/proc/{above}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(above, signal.SIGKILL)
    raise SystemExit("the runner is gone")
rate = yaml.safe_load(open("params.yaml"))["train"]["rate"]
open(f"model-{task}.txt", "w").write(repr(rate + len(open("prepared.txt").read()) / 1000))
""",
    "evaluate.py": RECORD
    + """
value = float(open(f"model-{sys.argv[1]}.txt").read())
json.dump({"accuracy": min(0.5 + value / 10, 1.0)}, open(f"metrics-{sys.argv[1]}.json", "w"))
""",
    "dvc.yaml": """\
stages:
  prepare:
    cmd: python prepare.py
    deps: [prepare.py, data.txt]
    outs: [prepared.txt]
  train:
    matrix: {task: [a, b]}
    cmd: python train.py ${item.task}
    deps: [train.py, prepared.txt]
    params: [train.rate]
    outs: ["model-${item.task}.txt"]
  evaluate:
    matrix: {task: [a, b]}
    cmd: python evaluate.py ${item.task}
    deps: [evaluate.py, "model-${item.task}.txt"]
    metrics:
      - metrics-${item.task}.json: {cache: true}
""",
    ".dvc/config": FILES[".dvc/config"],
}
CONFIG = """
base: main
metrics:
  "metrics-*.json:accuracy": {direction: higher, tolerance: 0.01, primary: true}
resources:
  prepare: {gpus: 0}
"""
RATE = "train:\n  rate: {}\n"
# A step more for the set-up action: the job's runner is a new one, whose cache no other job sees.
OWN_RUNNER = """
    - name: Be a new runner
      shell: bash
      run: |
        own=$(mktemp -d "{runners}/XXXXXX")
        sed "s|dir = .*|dir = $own/cache|" "$DVC_GLOBAL_CONFIG_DIR/config" > "$own/config"
        echo "DVC_GLOBAL_CONFIG_DIR=$own" >> "$GITHUB_ENV"
        echo "DVC_SITE_CACHE_DIR=$own/site" >> "$GITHUB_ENV"
"""
HEADS = [(f"{stage}.py {task}", "head") for task in "ab" for stage in ("train", "evaluate")]
ALL = Counter([("prepare.py", "head"), *HEADS, *((stage, "base") for stage, _ in HEADS)])


@pytest.fixture
def fleet(tmp_path: Path, github: FakeGitHub, bucket_url: str, programs: Path) -> World:
    """A repository with two tasks of which nothing is known yet, and as many runners as there are jobs."""
    template, runners = tmp_path / "template", tmp_path / "runners"
    runners.mkdir()
    copy_own(template, OWN)
    action = template / ".github" / "actions" / "setup" / "action.yml"
    action.write_text(action.read_text() + OWN_RUNNER.format(runners=runners))
    share = template / ".github" / "workflows" / "share.yml"
    # On GitHub the job has this line: act does not know it there, and ends all where a called workflow fails.
    text = share.read_text()
    assert text.count("    continue-on-error: true\n") == text.count("        run: pawl ci share\n") == 1
    share.write_text(
        text.replace("        run: pawl ci share\n", "        continue-on-error: true\n        run: pawl ci share\n")
    )
    # The bucket is all scenarios': data of its own make results of its own.
    make_repository(template, PIPELINE | {"data.txt": tmp_path.name}, config=CONFIG)
    world = make_world(tmp_path / "world", github, bucket_url, template, programs)
    world.pull_requests_remote = f"gs://{BUCKET}/{tmp_path.name}"
    world.variables = {"PAWL_FAN_OUT": "true"}
    return world


def made(world: World) -> Counter[tuple[str, str]]:
    """(command, side) of each stage that ran -> how often."""
    return Counter((run["stage"], run["side"]) for run in world.stages_run())


def assert_green(run: Run) -> None:
    for job, steps in (("plan", ["Plan"]), ("train", TRAIN_STEPS), ("report", REPORT_STEPS)):
        assert_went_well(run, job, steps)
    assert run.exit_code == 0


def test_many_runners_make_each_stage_once_and_the_comment_is_the_same(fleet: World) -> None:
    """Far over 2 s: nine jobs, and then three."""
    event = fleet.open_pull_request(7, "faster", {"params.yaml": RATE.format("2.0")}, "Raise the rate")
    run = fleet.run("pull_request", event, "github")

    assert_green(run)
    assert "shared out to 1, then 4 runners" in run.job("plan").said["Plan"]
    assert made(fleet) == ALL
    runners = {(one["stage"], one["side"]): one["runner"] for one in fleet.stages_run()}
    assert len(set(runners.values())) == 5
    for task in "ab":
        for side in ("head", "base"):
            assert runners[f"train.py {task}", side] == runners[f"evaluate.py {task}", side]
    for stage in fleet.stages_run():
        seen = [name for name in stage["environment"] if re.search("TOKEN|SECRET|GOOGLE|MLFLOW|CREDENTIAL", name)]
        assert seen == []
        # The login that read the bucket was gone before the stage began.
        assert stage["logins"] == []
    logins = Counter(fleet.logins.read_text().splitlines())
    both = {f"{job} {who}@acme": count for job, count in (("share", 5), ("train", 1)) for who in ("reader", "keeper")}
    assert logins == {"plan reader@acme": 1, **both}
    [comment] = fleet.comments(7)
    head = event["pull_request"]["head"]["sha"]
    assert re.search(r"^\| `train@a` \| ♻️ restored \| ♻️ restored \|", comment.body, re.MULTILINE)
    assert fleet.statuses() == [(head, "success", "pawl")]

    # Without, and where nobody has any of it, one runner makes the same.
    fleet.variables = {}
    fleet.pull_requests_remote += "-of-one"
    alone = fleet.run("pull_request", event, "github-of-one")

    assert_green(alone)
    assert alone.job("share").steps == {}
    assert made(fleet) == ALL + ALL
    [updated] = fleet.comments(7)
    assert re.search(r"^\| `train@a` \| 🔨 trained [0-9.]+ s \| 🔨 trained [0-9.]+ s \|", updated.body, re.MULTILINE)
    assert start(updated.body) == start(comment.body)


def test_what_a_runner_takes_with_it_is_made_by_the_last_job(fleet: World) -> None:
    """Far over 2 s: five jobs."""
    fleet.push_results("main")
    fleet.record.with_name("kill").write_text("b")
    event = fleet.open_pull_request(7, "faster", {"params.yaml": RATE.format("2.0")}, "Raise the rate")
    run = fleet.run("pull_request", event, "github")

    assert_green(run)
    assert not fleet.record.with_name("kill").exists()
    assert made(fleet) == Counter(dict.fromkeys(HEADS, 1) | {("train.py b", "head"): 2})
    runners = [(one["stage"], one["runner"]) for one in fleet.stages_run()]
    [of_a] = {runner for stage, runner in runners if stage.endswith("a")}
    killed, last = (runner for stage, runner in runners if stage == "train.py b")
    assert len({of_a, killed, last}) == 3
    assert ("evaluate.py b", last) in runners
    [comment] = fleet.comments(7)
    assert comment.body.startswith("### ✅ **Better**")
    assert re.search(r"^\| `train@a` \| ♻️ restored \| ♻️ restored \|", comment.body, re.MULTILINE)
    assert re.search(r"^\| `train@b` \| ♻️ restored \| 🔨 trained [0-9.]+ s \|", comment.body, re.MULTILINE)
    assert fleet.statuses() == [(event["pull_request"]["head"]["sha"], "success", "pawl")]

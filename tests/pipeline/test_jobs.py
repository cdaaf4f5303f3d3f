"""Several stages at once: that they are, that their results are those of one at a time, and what failures end."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
import yaml

from pawl.errors import InputError
from pawl.pipeline.resources import default_jobs
from tests.pipeline.dag import STEP, alive, make_dag, outcomes, reproduce_all, runs, stage
from tests.support.repositories import branch, commit, dvc, git, pawl, write

MEETING = {
    "one": stage("one", 'touch("one")', 'wait_for("two")'),
    "two": stage("two", 'touch("two")', 'wait_for("one")'),
}


def test_stages_that_do_not_need_each_other_run_at_once(tmp_path: Path) -> None:
    root = make_dag(tmp_path / "repository", MEETING)
    assert outcomes(reproduce_all(root, jobs=2)) == {"one": "trained", "two": "trained"}


def test_with_one_job_each_runs_alone_in_the_order_of_the_pipeline(tmp_path: Path) -> None:
    stages = {name: stage(name, 'hold_one_of("turn")') for name in ("c", "a", "b")}
    root = make_dag(tmp_path / "repository", stages)
    assert set(outcomes(reproduce_all(root, jobs=1)).values()) == {"trained"}
    assert runs(root) == ["c", "a", "b"]


def test_no_more_than_the_jobs_run_at_once(tmp_path: Path) -> None:
    stages = {f"s{i}": stage(f"s{i}", 'hold_one_of("first turn", "second turn")') for i in range(8)}
    root = make_dag(tmp_path / "repository", stages)
    assert set(outcomes(reproduce_all(root, jobs=2)).values()) == {"trained"}


# Two chains, a single stage, and a diamond; where `at/turned` exists, whatever comes first in the file ends last.
LAST_FIRST = '(at / "turned").exists() and wait_for("{}")'
TANGLED = {
    "a1": stage("a1", LAST_FIRST.format("b2")),
    "a2": stage("a2", after=["a1"]),
    "b1": stage("b1", LAST_FIRST.format("single")),
    "b2": stage("b2", 'touch("b2")', after=["b1"]),
    "top": stage("top", LAST_FIRST.format("single")),
    "left": stage("left", LAST_FIRST.format("right"), after=["top"], out="sides/left.txt"),
    "right": stage("right", 'touch("right")', after=["top"], out="sides/right.txt"),
    "bottom": stage("bottom", after=["sides/left", "sides/right"]),
    "single": stage("single", 'touch("single")', out="sides/single.txt"),
}


def test_the_records_are_byte_for_byte_those_of_one_job(tmp_path: Path) -> None:
    calm = make_dag(tmp_path / "calm", TANGLED, {"sides/.keep": ""})
    turned = make_dag(tmp_path / "turned", TANGLED, {"sides/.keep": ""})
    (turned / "at" / "turned").touch()
    one, many = reproduce_all(calm, jobs=1), reproduce_all(turned, jobs=4)
    assert runs(calm) == list(TANGLED)
    assert set(outcomes(many).values()) == {"trained"}
    for name in ("dvc.lock", ".gitignore", "sides/.gitignore"):
        assert (turned / name).read_bytes() == (calm / name).read_bytes(), name
    assert [(s.name, s.stage_key) for s in many.stages] == [(s.name, s.stage_key) for s in one.stages]
    assert "up to date" in dvc(turned, "status")


def test_what_the_records_held_keeps_its_place(tmp_path: Path) -> None:
    roots = [make_dag(tmp_path / name, TANGLED, {"sides/.keep": ""}) for name in ("calm", "turned")]
    for root in roots:
        dvc(root, "repro", "--single-item", "single")
        write(root, {".gitignore": "/at\n.pawl/\nreports/\n# mine"})
        commit(root, "one result, and a line without an end")
    (roots[1] / "at" / "turned").touch()
    calm, turned = (outcomes(reproduce_all(root, jobs=jobs)) for root, jobs in zip(roots, (1, 4), strict=True))
    assert calm == turned
    assert calm["single"] == "restored"
    for name in ("dvc.lock", ".gitignore", "sides/.gitignore"):
        assert (roots[1] / name).read_bytes() == (roots[0] / name).read_bytes(), name
    assert dvc_lock_stages(roots[1])[0] == "single"


def dvc_lock_stages(root: Path) -> list[str]:
    return list(yaml.safe_load((root / "dvc.lock").read_text())["stages"])


def test_a_failure_ends_only_what_follows_from_it(tmp_path: Path) -> None:
    stages = {
        "bad": stage("bad", 'wait_for("good")', 'sys.exit("no such column")'),
        "below": stage("below", after=["bad"]),
        "good": stage("good", 'touch("good")', 'wait_for("bad failed")'),
        "after": stage("after", after=["good"]),
    }
    root = make_dag(tmp_path / "repository", stages)
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if "bad failed" in line:
            (root / "at" / "bad failed").touch()

    stages_done = reproduce_all(root, jobs=2, say=say)
    assert outcomes(stages_done) == {"bad": "failed", "below": "skipped", "good": "trained", "after": "trained"}
    assert "no such column" in next(s.log_tail for s in stages_done.stages if s.name == "bad")
    assert dvc_lock_stages(root) == ["good", "after"]


def test_an_error_that_is_no_stages_own_ends_the_others_and_is_told(tmp_path: Path) -> None:
    slow = stage("slow", 'pathlib.Path("slow.txt").write_text("half")', 'touch("slow")', "time.sleep(600)")
    stages = {"slow": slow, "first": stage("first", 'wait_for("slow")'), "reads": stage("reads", after=["first"])}
    stages["reads"]["deps"].append("data.csv")
    root = make_dag(tmp_path / "repository", stages)
    git(root, "rm", "--quiet", "--cached", "data.txt")
    write(root, {"data.csv": "1\n"})
    dvc(root, "add", "data.csv")
    commit(root, "data")
    (root / "data.csv").chmod(0o644)
    (root / "data.csv").unlink()
    (root / "data.csv").write_text("mine\n")
    with pytest.raises(InputError, match=r"data\.csv .* is not what data\.csv\.dvc records"):
        reproduce_all(root, jobs=2)
    assert not alive(int((root / "at" / "slow").read_text()))
    assert not (root / "slow.txt").exists()
    assert dvc_lock_stages(root) == ["first"]


def test_a_log_that_cannot_be_written_ends_all(tmp_path: Path) -> None:
    stages = {
        "slow": stage("slow", 'touch("slow")', "time.sleep(600)"),
        "first": stage("first", 'wait_for("slow")'),
        "second": stage("second", after=["first"]),
    }
    root = make_dag(tmp_path / "repository", stages)
    (root / "reports" / "logs" / "head-second.log").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        reproduce_all(root, jobs=2)
    assert not alive(int((root / "at" / "slow").read_text()))


def test_two_stages_with_one_key_are_run_once(tmp_path: Path) -> None:
    """The same command over the same files in two folders; their keys are equal, as DVC has them."""
    step = "import pathlib, time\n"
    step += "with open('../at/runs.log', 'a') as log: log.write('ran\\n')\n"
    step += "time.sleep(0.3)\npathlib.Path('out.txt').write_text('1')\n"
    same = {"cmd": "python step.py", "deps": ["step.py"], "outs": ["out.txt"]}
    stages = {name: same | {"wdir": name} for name in ("x", "y")}
    root = make_dag(tmp_path / "repository", stages, {"x/step.py": step, "y/step.py": step})
    done = reproduce_all(root, jobs=2)
    assert len({s.stage_key for s in done.stages}) == 1
    assert sorted(outcomes(done).values()) == ["restored", "trained"]
    assert runs(root) == ["ran"]
    assert (root / "y" / "out.txt").read_text() == "1"


def test_what_follows_from_a_lost_result_waits_until_it_is_there_again(tmp_path: Path) -> None:
    """One file of a folder is lost, which only shows when it is fetched; the folder then comes out otherwise."""
    random = stage("random", 'os.mkdir("folder")', "import random; name = str(random.random())", out="folder/number")
    reads = stage("reads", 'name = "read " + pathlib.Path("folder/number").read_text()')
    last = stage("last", 'name = "last " + pathlib.Path("reads.txt").read_text()', after=["reads"])
    random["outs"] = ["folder"]
    reads["deps"].append("folder")
    remote = f"[core]\n    remote = s\n['remote \"s\"']\n    url = {tmp_path / 'storage'}\n"
    root = make_dag(tmp_path / "repository", {"random": random, "reads": reads, "last": last}, {".dvc/config": remote})
    reproduce_all(root, jobs=2)
    commit(root, "results")
    dvc(root, "push", "--run-cache")
    lost = hashlib.md5((root / "folder" / "number").read_bytes()).hexdigest()
    (tmp_path / "storage" / "files" / "md5" / lost[:2] / lost[2:]).unlink()
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(root), str(clone))
    (clone / "at").mkdir()
    assert outcomes(reproduce_all(clone, jobs=2)) == {
        "random": "trained",
        "reads": "trained",
        "last": "trained",
    }
    assert (clone / "last.txt").read_text() == f"last read {(clone / 'folder' / 'number').read_text()}"


def test_base_runs_beside_head_but_not_before_the_same_stage_of_head(tmp_path: Path) -> None:
    """Head's `slow` waits until base's `quick` has run; `bad` fails on head and so is left out on base."""
    marks = f"at = pathlib.Path({str(tmp_path / 'at')!r})\n(at / 'any').touch()"
    stages = {
        "slow": stage("slow", 'head and wait_for("quick base")'),
        "quick": stage("quick", 'touch(f"quick {side}")'),
        "bad": stage("bad", "head and sys.exit(1)", 'touch(f"bad {side}")'),
    }

    def step(side: str) -> str:
        head = side == "head"
        return STEP.replace('at = pathlib.Path("at")', f"{marks}\nside, head = {side!r}, {head}")

    (tmp_path / "at").mkdir()
    root = make_dag(tmp_path / "repository", stages, {"step.py": step("base")})
    branch(root, "changed", {"step.py": step("head")})
    done = reproduce_all(root, jobs=2)
    assert {(s.side, s.name): s.outcome for s in done.stages} == {
        ("head", "slow"): "trained",
        ("head", "quick"): "trained",
        ("head", "bad"): "failed",
        ("base", "slow"): "trained",
        ("base", "quick"): "trained",
        ("base", "bad"): "skipped",
    }
    assert not (tmp_path / "at" / "bad base").exists()


def test_memory_and_seconds_are_each_stages_own(tmp_path: Path) -> None:
    stages = {
        "large": stage("large", "x = bytearray(300_000_000)", 'touch("large")', 'wait_for("small")'),
        "small": stage("small", 'touch("small")', 'wait_for("large")'),
        "later": stage("later", after=["small"]),
    }
    done = {s.name: s for s in reproduce_all(make_dag(tmp_path / "repository", stages), jobs=2).stages}
    large, small = (done[name].peak_memory_bytes or 0 for name in ("large", "small"))
    assert 300_000_000 < large < 400_000_000
    assert 1_000_000 < small < 60_000_000
    assert (done["later"].seconds or 0) < (done["large"].seconds or 0) + (done["small"].seconds or 0)


def test_a_stage_may_be_dvc_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds DVC's lock for longer than DVC is patient, while another stage ends and has to be taken in."""
    monkeypatch.setattr("dvc.lock.DEFAULT_TIMEOUT", 0.1)
    hold = 'from dvc.repo import Repo; repo = Repo(); repo.lock.lock(); touch("held"); wait_for("ended")'
    stages = {
        "holds": stage("holds", hold, "time.sleep(1)", "repo.lock.unlock()"),
        "ends": stage("ends", 'wait_for("held")', 'touch("ended")'),
    }
    root = make_dag(tmp_path / "repository", stages)
    assert set(outcomes(reproduce_all(root, jobs=2)).values()) == {"trained"}


@pytest.mark.parametrize("jobs", ["0", "-1", "many"])
def test_jobs_are_a_number_from_one(repository: Path, jobs: str) -> None:
    for command in ("run", "reproduce"):
        done = pawl(repository, command, "--jobs", jobs)
        assert done.returncode == 2
        assert "--jobs" in done.stderr
        assert not (repository / "reports").exists()


def test_jobs_are_the_cores_if_not_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(3)))
    assert default_jobs() == 3
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    assert default_jobs() == 8

"""Stages on a Ray cluster of two nodes: the same results as here, made once, whatever dies meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pawl.errors import InputError, ServiceError
from pawl.schema import Stages
from tests.pipeline.dag import alive, outcomes, reproduce_all, runs, stage, wait_for
from tests.scaling.conftest import Machines
from tests.scaling.world import content, make_work, reproduced
from tests.support.repositories import pawl


def cluster_run(root: Path, machines: Machines) -> subprocess.Popen[str]:
    """`pawl run` on the cluster, as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "pawl", "run", "--base=HEAD", "--all", "--engine=ray", f"--address={machines.address}"],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def pids(root: Path, name: str) -> list[int]:
    """The processes of a stage that hangs."""
    path = root.parent / "at" / f"{name}.pids"
    wait_for(path.exists)
    return [int(pid) for pid in path.read_text().split()]


def makers(machines: Machines) -> list[int]:
    """The processes that carry out orders on the nodes."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        words = path.read_bytes().split(b"\0")
        if b"pawl.scaling.making" in words and str(machines.folder).encode() in b" ".join(words):
            found.append(int(path.parent.name))
    return found


def result(stages: Stages, name: str) -> object:
    return next(stage for stage in stages.stages if stage.name == name)


def test_both_nodes_work_and_the_result_is_the_same_as_here(machines: Machines, tmp_path: Path) -> None:
    # Each of the two waits until the other runs too, and a node has room for one.
    stages = {
        "a": stage("a", 'touch("a")', 'wait_for("b")', 'print("said by a")'),
        "b": stage("b", 'touch("b")', 'wait_for("a")'),
        "c": stage("c", after=["a", "b"]),
    }
    root, home = make_work(tmp_path / "far" / "work", stages), make_work(tmp_path / "here" / "work", stages)
    said: list[str] = []
    far, here = reproduced(root, machines.address, said), reproduce_all(home, 2)
    assert outcomes(far) == outcomes(here) == {"a": "trained", "b": "trained", "c": "trained"}
    assert sorted(runs(tmp_path / "far")) == ["a", "b", "c"]
    assert "  a | said by a" in said
    assert (root / "reports" / "logs" / "head-a.log").read_text() == "said by a\n"
    ours, theirs = content(root), content(home)
    assert {"a.txt", "b.txt", "c.txt"} <= ours.keys()
    # The two pipelines write to different places, so their code has other digests: all else is equal.
    assert {n: d for n, d in ours.items() if n != "dvc.lock"} == {n: d for n, d in theirs.items() if n != "dvc.lock"}
    origin = next(stage for stage in far.stages if stage.name == "c").origin
    assert origin is not None
    assert origin.usage.seconds > 0
    assert outcomes(reproduced(root, machines.address, said)) == dict.fromkeys("abc", "restored")
    assert len(runs(tmp_path / "far")) == 3


def test_what_is_known_here_and_nowhere_else_is_sent_and_not_made_again(machines: Machines, tmp_path: Path) -> None:
    root = make_work(tmp_path / "work", {"a": stage("a"), "b": stage("b", after=["a"])})
    reproduce_all(root, 1)
    (root.parent / "at" / "runs.log").unlink()
    (root / "dvc.yaml").write_text((root / "dvc.yaml").read_text().replace("python step.py b", "python step.py  b"))
    subprocess.run(["git", "-C", str(root), "commit", "-qam", "Other"], check=True, env=os.environ | _identity())
    assert outcomes(reproduced(root, machines.address, [])) == {"a": "restored", "b": "trained"}
    assert runs(tmp_path) == ["b"]


def test_a_stage_that_fails_takes_with_it_what_follows_and_nothing_else(machines: Machines, tmp_path: Path) -> None:
    stages = {"a": stage("a", 'sys.exit("broken on purpose")'), "b": stage("b", after=["a"]), "c": stage("c")}
    root = make_work(tmp_path / "work", stages)
    found = reproduced(root, machines.address, [])
    assert outcomes(found) == {"a": "failed", "b": "skipped", "c": "trained"}
    failed = next(stage for stage in found.stages if stage.name == "a")
    assert failed.exit_code == 1
    assert failed.log_tail == "its command ended with exit code 1\nbroken on purpose"
    assert runs(tmp_path).count("a") == 1


def test_a_node_that_dies_is_replaced_by_the_other(machines: Machines, tmp_path: Path) -> None:
    """The first that comes to it is killed, the second finds that it was begun before and ends well."""
    hang_once = 'hang() if not (at / "a.pids").exists() else print("second time")'
    root = make_work(tmp_path / "work", {"a": stage("a", hang_once), "b": stage("b", after=["a"])})
    process = cluster_run(root, machines)
    for pid in pids(root, "a"):
        assert alive(pid)
    words = Path(f"/proc/{makers(machines)[0]}/cmdline").read_bytes().decode()
    machines.kill(next(folder for folder in machines.nodes if str(folder) in words))
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert "another one begins anew" in output
    assert "second time" in output
    wait_for(lambda: not any(alive(pid) for pid in pids(root, "a")))
    assert runs(tmp_path) == ["a", "a", "b"]


def test_a_killed_process_is_begun_anew(machines: Machines, tmp_path: Path) -> None:
    hang_once = 'hang() if not (at / "a.pids").exists() else None'
    root = make_work(tmp_path / "work", {"a": stage("a", hang_once)})
    process = cluster_run(root, machines)
    left = pids(root, "a")
    for maker in makers(machines):
        os.kill(maker, signal.SIGKILL)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert runs(tmp_path) == ["a", "a"]
    wait_for(lambda: not any(alive(pid) for pid in left))


def test_a_node_that_stands_still_is_given_up(
    machines: Machines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAWL_PATIENCE_SECONDS", "12")
    hang_once = 'hang() if not (at / "a.pids").exists() else None'
    root = make_work(tmp_path / "work", {"a": stage("a", hang_once)})
    process = cluster_run(root, machines)
    left = pids(root, "a")
    for maker in makers(machines):
        os.kill(maker, signal.SIGSTOP)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert "nothing was heard of it for" in output
    wait_for(lambda: not any(alive(pid) for pid in left))
    assert runs(tmp_path) == ["a", "a"]


def test_ctrl_c_ends_what_runs_on_the_nodes(machines: Machines, tmp_path: Path) -> None:
    root = make_work(tmp_path / "work", {"a": stage("a"), "b": stage("b", "hang()", after=["a"])})
    process = cluster_run(root, machines)
    left = pids(root, "b")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    wait_for(lambda: not any(alive(pid) for pid in left))
    wait_for(lambda: not makers(machines))
    assert not (root / "b.txt").exists()


def test_a_killed_driver_leaves_nothing_and_the_next_run_makes_what_is_missing(
    machines: Machines, tmp_path: Path
) -> None:
    hang_once = 'hang() if not (at / "b.pids").exists() else None'
    root = make_work(tmp_path / "work", {"a": stage("a"), "b": stage("b", hang_once, after=["a"])})
    process = cluster_run(root, machines)
    left = pids(root, "b")
    process.kill()
    process.communicate()
    wait_for(lambda: not any(alive(pid) for pid in left))
    assert outcomes(reproduced(root, machines.address, [])) == {"a": "restored", "b": "trained"}
    assert runs(tmp_path) == ["a", "b", "b"]


def test_a_gpu_is_one_stages_at_a_time(cluster: Machines, tmp_path: Path) -> None:
    cluster.only(0)
    cluster.add(cpus=3, gpus=1)
    hold = 'hold_one_of("gpu-" + os.environ["CUDA_VISIBLE_DEVICES"])'
    stages = {name: stage(name, hold) for name in ("a", "b", "c")}
    root = make_work(tmp_path / "work", stages, {"pawl.yaml": 'resources: {"*": {gpus: 1}}\n'})
    assert set(outcomes(reproduced(root, cluster.address, [])).values()) == {"trained"}


def test_uncommitted_changes_and_wrong_addresses_are_said_in_a_sentence(tmp_path: Path) -> None:
    root = make_work(tmp_path / "work", {"a": stage("a")})
    without = pawl(root, "run", "--base=HEAD", "--all", "--engine=ray", env={"RAY_ADDRESS": ""})
    assert (without.returncode, "no cluster is named" in without.stderr) == (2, True)
    (root / "dvc.yaml").write_text((root / "dvc.yaml").read_text() + "\n")
    with pytest.raises(InputError, match="commit them"):
        reproduced(root, "127.0.0.1:1", [], allow_dirty=True)


def test_a_cluster_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAWL_PATIENCE_SECONDS", "8")
    root = make_work(tmp_path / "work", {"a": stage("a")})
    with pytest.raises(ServiceError, match="does not take part"):
        reproduced(root, "127.0.0.1:1", [])


def _identity() -> dict[str, str]:
    return {f"GIT_{who}_{what}": "t@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}

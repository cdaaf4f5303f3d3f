"""A machine that is told to make a stage: what it does, and what it leaves behind when things go wrong."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from pawl.scaling.node import carry_out
from pawl.scaling.source import source_of
from tests.pipeline.dag import alive, runs, stage, wait_for
from tests.scaling.world import carried_out, make_work, order_for, stored
from tests.support.repositories import commit, git

CHAIN = {"a": stage("a", 'print("hello")'), "b": stage("b", after=["a"])}
HANGS = {"a": stage("a", "hang()")}


def test_what_is_made_is_on_the_remote_and_never_made_again(tmp_path: Path) -> None:
    root = make_work(tmp_path / "work", CHAIN)
    order = order_for(root, "a")
    made, lines = carried_out(order, root, tmp_path / "one")
    assert (made.ran, made.exit_code, lines) == (True, 0, ["hello"])
    assert stored(root) == {order.stage_key}
    again, _ = carried_out(order, root, tmp_path / "two")
    assert (again.ran, again.receipt) == (False, made.receipt)
    # The one above is brought there, and is not made again for that.
    below, _ = carried_out(order_for(root, "b"), root, tmp_path / "two")
    assert below.ran
    assert runs(tmp_path) == ["a", "b"]
    forced, _ = carried_out(order_for(root, "a", force=True), root, tmp_path / "two")
    assert forced.ran
    # Nothing of it touches the repository that ordered it.
    assert git(root, "status", "--porcelain") == ""
    assert not (root / "dvc.lock").exists()


def test_a_command_finds_all_it_follows_from_in_dvc_lock(tmp_path: Path) -> None:
    show = 'print(open("dvc.lock").read())'
    root = make_work(tmp_path / "work", CHAIN | {"c": stage("c", show, after=["b"])})
    for name in "ab":
        carried_out(order_for(root, name), root, tmp_path / "one")
    # What `a` wrote is not needed on this machine.
    _, lines = carried_out(order_for(root, "c"), root, tmp_path / "two")
    found = yaml.safe_load("\n".join(lines))["stages"]
    assert {name: found[name]["outs"][0]["path"] for name in found} == {"a": "a.txt", "b": "b.txt"}


def test_what_an_earlier_run_could_not_send_is_sent(tmp_path: Path) -> None:
    root = make_work(tmp_path / "work", CHAIN)
    order = order_for(root, "a")
    carried_out(order, root, tmp_path / "one")
    (tmp_path / "store").rename(tmp_path / "gone")
    made, _ = carried_out(order, root, tmp_path / "one")
    assert (made.ran, stored(root)) == (False, {order.stage_key})


def test_a_damaged_copy_on_the_machine_is_no_result(tmp_path: Path) -> None:
    root = make_work(tmp_path / "work", CHAIN)
    order = order_for(root, "a")
    carried_out(order, root, tmp_path / "one")
    (tmp_path / "store").rename(tmp_path / "gone")
    for path in (tmp_path / "one" / "cache").glob("files/md5/??/*"):
        path.chmod(0o644)
        path.write_text("other")
    made, _ = carried_out(order, root, tmp_path / "one")
    assert made.ran or made.trouble
    made, _ = carried_out(order, root, tmp_path / "one")
    assert made.receipt is not None
    assert next((tmp_path / "store").glob("files/md5/??/*")).read_text() == "a"


def test_a_stage_that_fails_is_the_stages_fault(tmp_path: Path) -> None:
    root = make_work(tmp_path / "work", {"a": stage("a", 'sys.exit("no such luck")')})
    made, lines = carried_out(order_for(root, "a"), root, tmp_path / "one")
    assert (made.ran, made.exit_code, made.receipt) == (True, 1, None)
    assert made.problem == "its command ended with exit code 1"
    assert lines == ["no such luck"]
    assert made.trouble == made.refused == ""
    assert stored(root) == set()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"version": "0.0.0"}, "pawl is 0.0.0 where the order comes from"),
        ({"stage_key": "0" * 64}, "another key"),
        ({"stage": "nothing"}, "there is no stage nothing"),
    ],
)
def test_what_no_machine_could_do_is_refused(tmp_path: Path, changes: dict[str, str], sentence: str) -> None:
    root = make_work(tmp_path / "work", CHAIN)
    made, _ = carried_out(order_for(root, "a", **changes), root, tmp_path / "one")
    assert sentence in made.refused
    assert runs(tmp_path) == []


def test_other_threads_than_at_home_are_not_forced_on_a_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("SOME_TOKEN", "hidden")
    root = make_work(
        tmp_path / "work", {"a": stage("a", 'print(os.environ.get("OMP_NUM_THREADS"), os.environ.get("SOME_TOKEN"))')}
    )
    _, lines = carried_out(order_for(root, "a"), root, tmp_path / "one")
    assert lines == ["None None"]
    allowed = order_for(root, "a", allowed=("SOME_TOKEN",), force=True)
    assert carried_out(allowed, root, tmp_path / "one")[1] == ["None hidden"]


def test_who_stops_listening_ends_it_all(tmp_path: Path) -> None:
    root = make_work(tmp_path / "work", HANGS)
    answers = carry_out(order_for(root, "a"), source_of(root, git(root, "rev-parse", "HEAD")), tmp_path / "one")
    next(answers)  # a sign of life, while the stage hangs
    wait_for((tmp_path / "at" / "a.pids").exists)
    answers.close()  # type: ignore[attr-defined]
    pids = [int(pid) for pid in (tmp_path / "at" / "a.pids").read_text().split()]
    assert not any(alive(pid) for pid in pids)
    assert list((tmp_path / "one" / "checkouts").glob("*/a.txt")) == []


def test_a_killed_process_leaves_nothing_behind_and_is_trouble(tmp_path: Path) -> None:
    root = make_work(tmp_path / "work", HANGS)
    answers = carry_out(order_for(root, "a"), source_of(root, git(root, "rev-parse", "HEAD")), tmp_path / "one")
    next(answers)
    wait_for((tmp_path / "at" / "a.pids").exists)
    os.kill(_process_in(tmp_path / "one"), signal.SIGKILL)
    made = list(answers)[-1].made
    assert made is not None
    assert "ended with -9" in made.trouble
    pids = [int(pid) for pid in (tmp_path / "at" / "a.pids").read_text().split()]
    wait_for(lambda: not any(alive(pid) for pid in pids))


def _process_in(machine: Path) -> int:
    """The process that carries out an order there."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        words = path.read_bytes().split(b"\0")
        if b"pawl.scaling.making" in words and str(machine).encode() in words[words.index(b"pawl.scaling.making") + 1]:
            return int(path.parent.name)
    raise AssertionError("no process carries out an order")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], capture_output=True)
    if done.returncode != 0:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_the_machines_trouble(tmp_path: Path, small_disk: Path) -> None:
    big = 'pathlib.Path(out).write_bytes(b"0" * 40_000_000)'
    root = make_work(tmp_path / "work", {"a": stage("a", big)})
    made, _ = carried_out(order_for(root, "a"), root, small_disk)
    assert "disk is full" in made.trouble
    assert stored(root) == set()
    elsewhere, _ = carried_out(order_for(root, "a"), root, tmp_path / "two")
    assert elsewhere.receipt is not None


def test_checkouts_do_not_pile_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pawl.scaling.node._MOST_CHECKOUTS", 2)
    root = make_work(tmp_path / "work", CHAIN)
    for number in range(4):
        commit(root, f"Commit {number}", {"note.md": str(number)})
        carried_out(order_for(root, "a"), root, tmp_path / "one")
    assert len(list((tmp_path / "one" / "checkouts").glob("*/.git"))) <= 3

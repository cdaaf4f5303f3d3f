"""Ctrl-C and a cancelled job while several stages run: all of them end, and nothing half-made stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pawl.pipeline import command
from pawl.pipeline.command import StoppedError, run_command
from tests.pipeline.dag import alive, make_dag, outcomes, reproduce_all, runs, stage, wait_for
from tests.support.repositories import git


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_all_that_runs_and_keeps_what_was_complete(tmp_path: Path, number: signal.Signals) -> None:
    """One stage and its child do not hear SIGINT, and a second signal comes while they are waited for."""
    hanging = ["h1", "h2", "h3"]
    stages = {"quick": stage("quick"), **{name: stage(name, "hang()") for name in hanging}}
    stages["h2"] = stage("h2", "hang(deaf=True)")
    stages["h3"] = stage("h3", "hang()", after=["quick"])  # which is in dvc.lock by then
    stages["queued"] = stage("queued", "hang()", after=["quick"])
    root = make_dag(tmp_path / "repository", stages, {".gitignore": "/at\n.pawl/\nreports/\n/*.txt\n"})
    process = subprocess.Popen(
        [sys.executable, "-m", "pawl", "run", "--all", "--base", "HEAD", "--jobs", "3"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")},
        stderr=subprocess.PIPE,
        text=True,
        # Started in the background of a shell without a terminal, the tests ignore it, and so would pawl.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    pids: list[int] = []
    try:
        wait_for(lambda: all((root / "at" / f"{name}.pids").exists() for name in hanging))
        pids = [int(pid) for name in hanging for pid in (root / "at" / f"{name}.pids").read_text().split()]
        process.send_signal(number)
        time.sleep(0.5)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    finally:
        process.terminate()
        process.wait(60)
        left = [pid for pid in pids if alive(pid)]
        for pid in left:
            os.kill(pid, signal.SIGKILL)
    assert left == []
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "interrupted; what was complete is kept, nothing half-made is." in err
    assert sorted(runs(root)) == [*hanging, "quick"]
    assert [(root / f"{name}.txt").exists() for name in ("quick", *hanging, "queued")] == [True, *[False] * 4]
    lock = (root / "dvc.lock").read_text()
    assert "quick:" in lock
    assert not any(f"{name}:" in lock for name in hanging)
    assert git(root, "status", "--porcelain", "--untracked-files=no") == ""
    (root / "step.py").write_text("import pathlib, sys\npathlib.Path(sys.argv[2]).write_text('whole')\n")
    assert set(outcomes(reproduce_all(root, jobs=3, allow_dirty=True)).values()) == {"trained"}


DEAF = "signal.signal(signal.SIGINT, signal.SIG_IGN)"
PARENT_AND_CHILD = """
import os, signal, subprocess, sys, time
child = '''
import os, signal, time
{child}
open("part", "w").write(f"{{os.getppid()}} {{os.getpid()}}")
os.rename("part", "pids")
time.sleep(600)
'''
{parent}
subprocess.Popen([sys.executable, "-c", child])
time.sleep(600)
"""


@pytest.mark.parametrize(("parent", "child"), [("", ""), (DEAF, ""), ("", DEAF)])
def test_a_command_that_is_stopped_takes_its_children_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parent: str, child: str
) -> None:
    monkeypatch.setattr(command, "_KILL_AFTER_SECONDS", 0.3)
    script = PARENT_AND_CHILD.format(parent=parent, child=child)
    stop, raised = threading.Event(), list[type[BaseException]]()

    def work() -> None:
        try:
            run_command(
                [[sys.executable, "-c", script], ["touch", "second"]],
                folder=tmp_path,
                env=dict(os.environ),
                log=tmp_path / "log",
                line=lambda _: None,
                stop=stop,
            )
        except StoppedError as error:
            raised.append(type(error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    wait_for((tmp_path / "pids").exists)
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    stop.set()
    thread.join(20)
    try:
        assert raised == [StoppedError]
        wait_for(lambda: not any(map(alive, pids)), seconds=20)
        assert not (tmp_path / "second").exists()
    finally:
        for pid in filter(alive, pids):
            os.kill(pid, signal.SIGKILL)

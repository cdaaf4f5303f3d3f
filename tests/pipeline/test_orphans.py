"""What a stage leaves running is ended before later steps are told anything."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

SCRIPT = """
import subprocess, sys, time
from pawl.pipeline.orphans import no_orphans
kept = subprocess.Popen(["sleep", "60"])
with no_orphans():
    # Twice forked, in sessions of their own, without its environment: what a daemon does to get away.
    line = "(setsid env -i sh -c 'echo $$ >> %s; setsid sleep 61 & exec sleep 62' >/dev/null 2>&1 &) ; exit 0"
    subprocess.run(["sh", "-c", line % sys.argv[1]])
    time.sleep(0.5)
print("kept" if kept.poll() is None else "gone")
kept.kill()
"""


def running(argument: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().split(b"\0")[:2] == [b"sleep", argument.encode()]:
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def test_daemons_are_ended_and_what_was_there_before_is_not(tmp_path: Path) -> None:
    before = set(running("61")) | set(running("62"))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "pid")], capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("kept\n", "")
    assert (tmp_path / "pid").exists()
    time.sleep(0.2)
    assert set(running("61")) | set(running("62")) <= before

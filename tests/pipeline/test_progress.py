"""What a person sees while stages run: plain lines in a log, a live view on a terminal, JSON untouched by either."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

from pawl.console import watch
from pawl.pipeline.progress import Progress
from tests.pipeline.dag import make_dag, reproduce_all, stage
from tests.support.repositories import pawl

STAY = 'time.sleep(float(os.environ.get("STAY_S", 0)))'
STAGES = {
    "first": stage("first", 'print("epoch 1 \\x1b[31mred")', 'touch("first")', 'wait_for("second")', STAY),
    "second": stage("second", 'wait_for("first")', 'print("epoch 2")', 'touch("second")', STAY),
    "third": stage("third", after=["first", "second"]),
    "fails": stage("fails", "sys.exit(1)", after=["third"]),
}


def test_a_log_file_has_a_line_for_each_stage_that_ends(tmp_path: Path) -> None:
    said: list[str] = []
    reproduce_all(make_dag(tmp_path / "repository", STAGES), jobs=2, say=said.append)
    assert said[0] == "plan: run 4 stages of head and 0 of base, restore 0"
    assert {"head: first runs", "  first | epoch 1 \x1b[31mred", "  second | epoch 2"} <= set(said)
    ends = [re.sub(r"\d+\.\d s", "T", line) for line in said if " of 4)" in line]
    assert sorted(line.rpartition(" (")[0] for line in ends[:2]) == ["head: first done in T", "head: second done in T"]
    assert sorted(line.rpartition(" (")[2] for line in ends[:2]) == ["1 of 4)", "2 of 4)"]
    assert ends[2:] == [
        "head: third done in T (3 of 4)",
        "head: fails failed: its command ended with exit code 1 (4 of 4)",
    ]


def test_on_a_terminal_a_live_view_shows_what_runs_and_json_stays_json(tmp_path: Path) -> None:
    # The view is drawn a few times a second: the stages stay long enough to be seen.
    root = make_dag(tmp_path / "repository", STAGES, {"pawl.yaml": "tracking: {enabled: false}\n"})
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "pawl", "run", "--all", "--base", "HEAD", "--jobs", "2", "--no-pictures", "--json"],
        cwd=root,
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[2] / "src"),
            "TERM": "xterm",
            "STAY_S": "2",
            "CI": "",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65_536)
        except OSError:  # how Linux says that the other side was closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 3
    assert json.loads(out)["verdict"] == "failed"
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert re.search(r"\d of 4 stages done, 2 running", text)
    assert re.search(r"head: (first|second)\s+\d\.\d s", text)
    assert "\x1b[31m" not in shown.decode(), "a stage's output must not colour the terminal"
    assert "  first | epoch 1 [31mred" in text
    assert "head: third done in" in text


def test_in_a_pipe_there_is_no_live_view(tmp_path: Path) -> None:
    root = make_dag(tmp_path / "repository", {"only": stage("only")}, {"pawl.yaml": "tracking: {enabled: false}\n"})
    done = pawl(root, "run", "--all", "--base", "HEAD", "--no-pictures", env={"FORCE_COLOR": "1"})
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stderr
    assert "stages done" not in done.stderr
    assert re.search(r"^head: only done in \d\.\d s \(1 of 1\)$", done.stderr, re.MULTILINE)


def test_stages_that_nobody_waits_for_are_not_counted() -> None:
    said: list[str] = []
    progress = Progress(said.append)
    progress.expect({"head: a", "head: b"})
    progress.begin("base: c")
    progress.print("base: c", "a line")
    assert [progress.count(name) for name in ("base: c", "head: a", "head: a", "head: b")] == [
        "",
        "(1 of 2)",
        "(1 of 2)",
        "(2 of 2)",
    ]
    standing = progress.standing()
    assert (standing.done, standing.total) == (2, 2)
    assert [(stage.name, stage.line) for stage in standing.running] == [("base: c", "a line")]
    progress.end("base: c")
    assert progress.standing().running == ()
    assert said == ["base: c runs", "  base c | a line"]
    with watch(progress):
        pass

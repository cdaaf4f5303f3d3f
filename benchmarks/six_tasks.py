"""All six tasks from nothing to the verdict with `pawl run`, beside `dvc repro` one stage after the other."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from benchmarks.pipeline_bound import least_seconds, recorded
from benchmarks.timing import SOURCE, Pair, Row, git, in_turn, seconds

TASKS = ("retinopathy", "prostate", "posters", "tabular", "pets", "digits")


def rows(scratch: Path) -> list[Row]:
    """One repetition of each, in fresh clones without a cache: minutes. The second row is of the first row's run.

    The third is of a pull request that all stages follow from: then it is on record how long each took.
    """
    ours, theirs = (clone_of(scratch / name, TASKS) for name in ("pawl", "dvc"))
    jobs = len(os.sched_getaffinity(0))
    print(f"benchmark: {len(TASKS)} tasks twice, each way once", flush=True)
    pair = in_turn(
        lambda: seconds(["pawl", "run", "--base", "HEAD", "--all", "--jobs", str(jobs)], ours),
        lambda: seconds(["dvc", "repro"], theirs),
        runs=1,
        warm_up=False,
    )
    _check_equal(ours, theirs)
    least = least_seconds(*recorded(ours), jobs)
    again = seconds(_changed(ours, jobs), ours, allowed_codes=(0, 1))
    bound = "its longest chain of stages, or all their seconds over the cores"
    return [
        pair.row(f"six tasks, comparison and report, {jobs} jobs", "dvc repro, neither", "below 0.7"),
        Pair(pair.ours, (least,)).row("the same run", bound, "at most 1.15"),
        Pair((again,), (least_seconds(*recorded(ours), jobs),)).row(
            "the six tasks trained again, once it is on record what takes how long", bound, "at most 1.15"
        ),
    ]


def _changed(root: Path, jobs: int) -> list[str]:
    """Commit a change on a branch from which all stages follow; the command that measures it."""
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message", "results")
    git(root, "checkout", "--quiet", "-b", "work")
    with (root / "src" / "tasks" / "common" / "stage" / "__init__.py").open("a", encoding="utf-8") as read_by_all:
        read_by_all.write("# A line that changes no result.\n")
    git(root, "commit", "--quiet", "--all", "--message", "a line for all stages")
    return ["pawl", "run", "--base", "main", "--jobs", str(jobs)]


def clone_of(root: Path, tasks: Sequence[str]) -> Path:
    """A clone of this repository whose params.yaml lists those tasks, on its branch main."""
    subprocess.run(["git", "clone", "--quiet", str(SOURCE), str(root)], check=True)
    params = root / "params.yaml"
    lines = params.read_text(encoding="utf-8").splitlines(keepends=True)
    [number] = [number for number, line in enumerate(lines) if line.startswith("tasks:")]
    lines[number] = f"tasks: [{', '.join(tasks)}]\n"
    params.write_text("".join(lines), encoding="utf-8")
    git(root, "checkout", "--quiet", "-B", "main")
    git(root, "commit", "--quiet", "--allow-empty", "--all", "--message", "tasks")
    return root


def _check_equal(ours: Path, theirs: Path) -> None:
    """Otherwise both sides would not have made the same."""
    for task in TASKS:
        metrics = f"results/{task}/metrics.json"
        assert (ours / metrics).read_bytes() == (theirs / metrics).read_bytes(), metrics

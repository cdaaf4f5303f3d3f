"""A stage that reads a folder of many files: its key follows from all of them."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.growth import Subject, run_command
from benchmarks.growth_stages import commit_all, write_repository

IN_FOLDER = 1_000
STAGE = """
stages:
  count:
    cmd: find data -type f | wc -l > count.txt
    deps: [data]
    outs: [count.txt]
"""


def make(root: Path, files: int) -> None:
    """A repository with so many files of a few bytes, all different, which neither git nor DVC has seen."""
    write_repository(root, {"dvc.yaml": STAGE, ".gitignore": "/count.txt\n/reports\n/data\n"})
    for start in range(0, files, IN_FOLDER):
        folder = root / "data" / f"{start // IN_FOLDER:04d}"
        folder.mkdir(parents=True)
        for number in range(start, min(start + IN_FOLDER, files)):
            (folder / f"{number:07d}.txt").write_text(f"{number}\n", encoding="ascii")
    commit_all(root, "start")


def _plan(root: Path, _: int) -> None:
    run_command(root, "plan", "--base", "HEAD", "--all")
    [stage] = json.loads((root / "reports" / "plan.json").read_text(encoding="utf-8"))["stages"]
    assert stage["stage_key"], stage


SUBJECT = Subject(
    "files",
    (1_000, 3_000, 10_000, 30_000, 100_000),
    make,
    {"stage key, files hashed for the first time": _plan, "stage key, files known": _plan},
    full_sizes=(1_000_000,),
)

"""What the loop costs beside the guide's recipe: a push that changes nothing, one parameter, and `--help`."""

from __future__ import annotations

import itertools
import json
import subprocess
from pathlib import Path

from benchmarks.timing import SOURCE, Row, git, in_turn, seconds

# What the guide's workflow runs on each push; the report goes nowhere.
RECIPE = """
dvc repro
dvc metrics diff --md main > report.txt
dvc params diff --md main >> report.txt
dvc plots diff main -o plots.tmp >> report.txt
"""
STAGE_SECONDS = 2.0
SLEEPY = """
stages:
  train:
    cmd: sleep 2 && cp params.yaml model.txt
    deps: [data.txt]
    params: [rate]
    outs: [model.txt]
  evaluate:
    cmd: python evaluate.py
    deps: [evaluate.py, model.txt]
    metrics: [metrics.json]
"""
EVALUATE = """
import json, re
json.dump({"accuracy": float(re.findall("[0-9.]+", open("model.txt").read())[0])}, open("metrics.json", "w"))
"""


def unchanged_push(scratch: Path) -> Row:
    """(a) A pull request that changes only a README, in this repository, its pipelines reproduced."""
    root = scratch / "unchanged"
    subprocess.run(["git", "clone", "--quiet", str(SOURCE), str(root)], check=True)
    git(root, "checkout", "--quiet", "-B", "main")
    print("benchmark: reproducing this repository's pipelines once", flush=True)
    seconds(["pawl", "run", "--base", "HEAD", "--all"], root)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message", "results")
    git(root, "checkout", "--quiet", "-b", "docs")
    (root / "NEWS.md").write_text("news\n", encoding="utf-8")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "docs")
    pair = in_turn(lambda: seconds(["pawl", "run"], root), lambda: seconds(["bash", "-ec", RECIPE], root))
    return pair.row("unchanged push", "dvc repro, metrics, params and plots diff", "at most 0.2")


def one_parameter(scratch: Path) -> Row:
    """(b) One changed parameter: seconds beyond the stages' own, base's results known, tracking off on both sides."""
    root = scratch / "parameter"
    (root / ".dvc").mkdir(parents=True)
    git(scratch, "init", "--quiet", "--initial-branch=main", str(root))
    files = {
        ".dvc/config": "[core]\n    analytics = false\n",
        ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n",
        "dvc.yaml": SLEEPY,
        "evaluate.py": EVALUATE,
        "data.txt": "rows\n",
        "params.yaml": "rate: 0.5\n",
        "pawl.yaml": "tracking: {enabled: false}\n",
        ".gitignore": "model.txt\nmetrics.json\nreports\nreport.txt\nplots.tmp\n",
    }
    for name, text in files.items():
        (root / name).write_text(text, encoding="utf-8")
    seconds(["dvc", "repro"], root)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "start")
    git(root, "checkout", "--quiet", "-b", "work")
    values = itertools.count(1)

    def change() -> None:
        (root / "params.yaml").write_text(f"rate: 0.{next(values):05d}\n", encoding="utf-8")
        git(root, "commit", "--quiet", "--all", "--message", "work")

    def ours() -> float:
        change()
        total = seconds(["pawl", "run"], root)
        stages = json.loads((root / "reports" / "stages.json").read_text(encoding="utf-8"))["stages"]
        assert sum(stage["outcome"] == "trained" for stage in stages) == 2, stages
        return total - STAGE_SECONDS

    def theirs() -> float:
        change()
        return seconds(["bash", "-ec", RECIPE], root) - STAGE_SECONDS

    return in_turn(ours, theirs).row("one parameter, beyond the training", "the same recipe", "at most 0.3")


def start_up(scratch: Path) -> Row:
    """(c) `pawl --help` beside `dvc --help`."""
    scratch.mkdir(parents=True, exist_ok=True)
    pair = in_turn(lambda: seconds(["pawl", "--help"], scratch), lambda: seconds(["dvc", "--help"], scratch))
    return pair.row("pawl --help", "dvc --help", "under 0.3 s")


def rows(scratch: Path) -> list[Row]:
    """All of them."""
    return [start_up(scratch / "start"), one_parameter(scratch), unchanged_push(scratch)]

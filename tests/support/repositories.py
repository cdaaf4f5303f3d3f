"""Small DVC repositories that tests build, in which a stage takes a fraction of a second."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

# Reads a parameter and a data file; a factor in the code makes a change of code matter.
TRAIN = """
import json, pathlib, yaml
rate = yaml.safe_load(open("params.yaml"))["train"]["rate"]
rows = len(pathlib.Path("data.txt").read_text().split())
FACTOR = 1.0
pathlib.Path("model.txt").write_text(repr(rate * FACTOR))
with open("history.tsv", "w") as out:
    out.write("step\\tloss\\n")
    for step in range(5):
        out.write(f"{step}\\t{1 / (1 + step * rate)}\\n")
with open("runs.log", "a") as out:
    out.write("trained\\n")
"""
EVALUATE = """
import json, pathlib
value = float(pathlib.Path("model.txt").read_text())
json.dump({"accuracy": min(0.5 + value / 10, 1.0), "loss": 1 / (1 + value)}, open("metrics.json", "w"))
with open("confusion.csv", "w") as out:
    out.write("actual,predicted\\n" + "cat,cat\\n" * 3 + "dog,cat\\n" + "dog,dog\\n" * 2)
"""
PIPELINE = """
stages:
  train:
    cmd: python train.py
    deps: [train.py, data.txt]
    params: [train.rate]
    outs: [model.txt]
    plots:
      - history.tsv: {x: step}
  evaluate:
    cmd: python evaluate.py
    deps: [evaluate.py, model.txt]
    metrics:
      - metrics.json
    plots:
      - confusion.csv: {template: confusion, x: actual, y: predicted}
"""
FILES = {
    "train.py": TRAIN,
    "evaluate.py": EVALUATE,
    "dvc.yaml": PIPELINE,
    "params.yaml": "train:\n  # Step size.\n  rate: 1.0\n",
    "data.txt": "a b c\n",
    ".gitignore": "runs.log\n.pawl/\nreports/\n__pycache__/\n",
}


def git(root: Path, *arguments: str) -> str:
    """Run git there and give back what it prints; the test fails where git does."""
    settings = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", "-C", str(root), *settings, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, f"git {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()


def write(root: Path, files: Mapping[str, str]) -> None:
    """Write text files, making their folders."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")


def commit(root: Path, message: str, files: Mapping[str, str] | None = None) -> str:
    """Write `files`, commit everything that is not ignored, and give back the commit."""
    write(root, files or {})
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(root, "rev-parse", "HEAD")


def make_repository(root: Path, files: Mapping[str, str] | None = None, *, config: str | None = None) -> Path:
    """A DVC repository on branch `main` with two stages, train and evaluate; `files` go over the usual ones."""
    root.mkdir(parents=True, exist_ok=True)
    git(root, "init", "--quiet", "--initial-branch=main")
    write(root, {".dvc/config": "[core]\n    analytics = false\n", ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n"})
    write(root, FILES | dict(files or {}))
    if config is not None:
        write(root, {"pawl.yaml": config})
    commit(root, "Start")
    return root


def branch(root: Path, name: str, files: Mapping[str, str], message: str = "Change") -> str:
    """A new branch from where HEAD is, with one commit; it stays checked out."""
    git(root, "checkout", "--quiet", "-b", name)
    return commit(root, message, files)


def pawl(root: Path, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line there as a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src"), **(env or {})}
    return subprocess.run(
        [sys.executable, "-m", "pawl", *arguments],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def dvc(root: Path, *arguments: str) -> str:
    """Run DVC as a user would."""
    done = subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout

"""A dependency that is a folder in which committed files and other stages' results lie together."""

from __future__ import annotations

from pathlib import Path

from tests.support.loop import measure
from tests.support.repositories import branch, git, make_repository

MIXED = """
stages:
  make:
    cmd: cp params.yaml mix/made.txt
    deps: [params.yaml]
    outs: [mix/made.txt]
  use:
    cmd: python use.py
    deps: [use.py, mix]
    metrics: [metrics.json]
"""
USE = """
import json, pathlib
json.dump({"score": sum(len(p.read_text()) for p in pathlib.Path("mix").iterdir())}, open("metrics.json", "w"))
"""


def test_a_folder_of_committed_files_and_results_is_never_taken_for_unchanged(tmp_path: Path) -> None:
    files = {"dvc.yaml": MIXED, "use.py": USE, "mix/fixed.txt": "12345", ".gitignore": "mix/made.txt\nreports\n.pawl\n"}
    root = make_repository(tmp_path / "repository", files)
    branch(root, "longer", {"mix/fixed.txt": "1234567"})
    measured = measure(root)
    assert measured.metric("score").difference == 2.0
    assert measured.planned("use").recipe_key is None
    assert measure(root).trained() == []


def test_such_a_folder_counts_as_its_results_are_known_not_as_it_lies_there(tmp_path: Path) -> None:
    files = {"dvc.yaml": MIXED, "use.py": USE, "mix/fixed.txt": "12345", ".gitignore": "mix/made.txt\nreports\n.pawl\n"}
    root = make_repository(tmp_path / "repository", files)
    first = measure(root, everything=True).comparison
    branch(root, "longer", {"params.yaml": "train:\n  rate: 1.000001\n"})
    assert measure(root).metric("score").difference == len("1.000001") - len("  # Step size.\n1.0")
    git(root, "checkout", "--quiet", "--force", "main")
    again = measure(root, everything=True)
    assert again.trained() == []
    assert again.comparison.metrics == first.metrics

"""A report of many metrics: the comment alone, and the command that writes comment and page."""

from __future__ import annotations

from pathlib import Path

from benchmarks.growth import Subject, run_command
from benchmarks.growth_stages import commit_all, write_repository
from benchmarks.timing import git

STAGE = """
stages:
  evaluate:
    cmd: python evaluate.py
    deps: [evaluate.py]
    params: [rate]
    metrics: [metrics.json]
"""
EVALUATE = """
import json, pathlib
rate = float(pathlib.Path("params.yaml").read_text().split()[1])
json.dump({f"accuracy_of_class_{n}": rate - n / 1000 for n in range(%d)}, open("metrics.json", "w"))
"""


def make(root: Path, metrics: int) -> None:
    """A run whose one stage has so many metrics, all of them changed."""
    files = {"dvc.yaml": STAGE, "evaluate.py": EVALUATE % metrics, ".gitignore": "/metrics.json\n/reports\n"}
    write_repository(root, files | {"params.yaml": "rate: 0.5\n"})
    commit_all(root, "start")
    git(root, "checkout", "--quiet", "-b", "work")
    (root / "params.yaml").write_text("rate: 0.625\n", encoding="utf-8")
    commit_all(root, "work")
    run_command(root, "run")


def _comment(root: Path, metrics: int) -> None:
    from pawl.report.comment import render_comment
    from pawl.schema import Comparison, Plan, Stages
    from pawl.session import read_file

    reports = root / "reports"
    comparison = read_file(reports, "comparison.json", Comparison, "pawl compare")
    assert len(comparison.metrics) == metrics, len(comparison.metrics)
    plan = read_file(reports, "plan.json", Plan, "pawl plan")
    stages = read_file(reports, "stages.json", Stages, "pawl reproduce")
    assert render_comment(plan, stages, comparison, None)


SUBJECT = Subject(
    "metrics",
    (1, 3, 10, 30, 100, 200),
    make,
    {"comment": _comment, "pawl report": lambda root, _: run_command(root, "report")},
)

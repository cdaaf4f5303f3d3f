"""A DVC repository that never heard of pawl gets a useful report all the same."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.loop import measure
from tests.support.repositories import branch, commit, git, pawl, write

FIT = """
import csv, json, yaml
p = yaml.safe_load(open("config/model.yaml"))
k = p["model"]["neighbours"]
rows = list(csv.reader(open("input/points.csv")))
with open("out/progress.csv", "w") as f:
    f.write("epoch,train_rmse,val_rmse\\n")
    for e in range(3):
        f.write(f"{e},{3 / (e + k)},{4 / (e + k)}\\n")
json.dump({"test": {"rmse": 4 / (2 + k), "rows": len(rows)}}, open("out/scores.json", "w"))
"""
PIPELINE = """
vars:
  - config/model.yaml
stages:
  fit:
    wdir: .
    cmd: mkdir -p out && python scripts/fit.py
    deps: [scripts/fit.py, input]
    params:
      - config/model.yaml:
          - model.neighbours
    outs:
      - out
metrics:
  - out/scores.json
plots:
  - out/progress.csv: {x: epoch, y: val_rmse}
"""
TOLERANCE = 'metrics: {"*": {tolerance: 0}}\n'


def foreign(root: Path) -> Path:
    """A repository in a sub-folder of a git repository, with its own names for everything and no pawl.yaml."""
    top = root / "monorepo"
    inner = top / "ml"
    inner.mkdir(parents=True)
    git(top, "init", "--quiet", "--initial-branch=main")
    write(inner, {".dvc/config": "[core]\n    analytics = false\n", ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n"})
    write(
        inner,
        {
            "scripts/fit.py": FIT,
            "dvc.yaml": PIPELINE,
            "input/points.csv": "1,2\n3,4\n",
            ".gitignore": "/out\n/reports\n",
        },
    )
    commit(top, "Start", {"ml/config/model.yaml": "model: {neighbours: 2}\n", "web/index.html": "<p>\n"})
    return inner


def test_a_foreign_repository_gets_a_report(tmp_path: Path) -> None:
    root = foreign(tmp_path)
    branch(root, "more", {"config/model.yaml": "model: {neighbours: 6}\n"})
    done = pawl(root, "run", "--no-pictures")
    assert done.returncode == 0, done.stderr
    comparison = json.loads((root / "reports" / "comparison.json").read_text())
    by_key = {metric["key"]: metric for metric in comparison["metrics"]}
    rmse, rows = by_key["test.rmse"], by_key["test.rows"]
    assert (rmse["base"], rmse["head"], rmse["difference"]) == (1.0, 0.5, -0.5)
    assert (rmse["direction"], rmse["direction_guessed"]) == ("lower", True)
    # It has neither predictions nor a tolerance: nothing tells luck from progress.
    assert (rmse["verdict"], rmse["why_not"]) == ("not comparable", "nothing to pair")
    assert rows["verdict"] == "no measurable change"
    assert comparison["params"] == [{"path": "config/model.yaml", "key": "model.neighbours", "base": "2", "head": "6"}]
    assert sorted(curve["name"] for curve in comparison["curves"]) == ["train_rmse", "val_rmse"]
    assert all(curve["base"] and curve["head"] for curve in comparison["curves"])
    assert "nothing is gated" in comparison["gate_reason"]
    report = (root / "reports" / "report.md").read_text()
    assert "rmse" in report.splitlines()[0]
    assert "neighbours" in report


def test_a_tolerance_is_all_that_a_foreign_repository_needs_for_a_verdict(tmp_path: Path) -> None:
    root = foreign(tmp_path)
    commit(root, "tolerance", {"pawl.yaml": TOLERANCE})
    branch(root, "more", {"config/model.yaml": "model: {neighbours: 6}\n"})
    measured = measure(root)
    rmse, rows = measured.metric("out test.rmse"), measured.metric("out test.rows")
    assert (rmse.direction, rmse.direction_guessed) == ("lower", True)
    assert (rmse.verdict, rows.verdict) == ("better", "no measurable change")
    assert measured.comparison.verdict == "better"


def test_changes_elsewhere_in_the_monorepo_train_nothing(tmp_path: Path) -> None:
    root = foreign(tmp_path)
    branch(root.parent, "page", {"web/index.html": "<h1>\n"})
    measured = measure(root)
    assert measured.trained() == []
    assert measured.comparison.verdict == "unchanged"


def test_a_changed_file_in_an_input_folder_is_named(tmp_path: Path) -> None:
    root = foreign(tmp_path)
    branch(root, "rows", {"input/points.csv": "1,2\n3,4\n5,6\n"})
    measured = measure(root)
    assert [(c.kind, c.what) for c in measured.planned("fit").causes] == [("code", "input/points.csv")]


def test_a_stage_that_dvc_cannot_key_is_run_and_said(tmp_path: Path) -> None:
    root = foreign(tmp_path)
    persisted = PIPELINE.replace("      - out\n", "      - out: {persist: true}\n")
    commit(root, "persist", {"dvc.yaml": persisted, "pawl.yaml": TOLERANCE})
    branch(root, "more", {"config/model.yaml": "model: {neighbours: 6}\n"})
    measured = measure(root)
    assert measured.trained() == ["head:fit", "base:fit"]
    assert "its output out is marked persist" in measured.planned("fit").note
    assert measured.comparison.verdict == "better"


def test_pawl_never_imports_tasks_nor_tasks_pawl() -> None:
    source = Path(__file__).parents[2] / "src"
    for package, other in (("pawl", "tasks"), ("tasks", "pawl")):
        for path in (source / package).rglob("*.py"):
            words = [
                line.split()[1].split(".")[0]
                for line in path.read_text().splitlines()
                if line.lstrip().startswith(("import ", "from "))
            ]
            assert other not in words, path

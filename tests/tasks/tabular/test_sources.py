"""Tables of one's own: Titanic's layout, and a table at a version that DVC keeps."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from tasks.common.model.card import read_card
from tasks.common.stage.errors import TaskError
from tasks.common.stage.paths import TaskPaths
from tasks.common.stage.run import run_stage
from tests.support.repositories import commit, dvc, git

TITANIC = [
    "PassengerId",
    "Survived",
    "Pclass",
    "Name",
    "Sex",
    "Age",
    "SibSp",
    "Parch",
    "Ticket",
    "Fare",
    "Cabin",
    "Embarked",
]


def write_titanic(path: Path, n: int = 400, seed: int = 0) -> None:
    """Passengers that never were, in the layout of the real file: 12 columns, names with commas, gaps in three."""
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(TITANIC)
        for number in range(1, n + 1):
            sex = rng.choice(["male", "female"], p=[0.65, 0.35])
            rank = int(rng.choice([1, 2, 3], p=[0.24, 0.21, 0.55]))
            lives = rng.random() < 0.12 + 0.6 * (sex == "female") + 0.12 * (3 - rank)
            writer.writerow(
                [
                    number,
                    int(lives),
                    rank,
                    f'Doe, {"Mr." if sex == "male" else "Miss."} Number "{number}"',
                    sex,
                    "" if rng.random() < 0.2 else f"{rng.uniform(0.4, 80):.1f}",
                    rng.integers(0, 4),
                    rng.integers(0, 3),
                    f"A/5 {rng.integers(1000, 9999)}",
                    f"{rng.gamma(1.5, 60 / rank**2):.4f}",
                    f"{rng.choice(list('ABCDE'))}{rng.integers(1, 99)}" if rng.random() < 0.23 else "",
                    "" if rng.random() < 0.005 else rng.choice(list("SCQ"), p=[0.72, 0.19, 0.09]),
                ]
            )


@pytest.mark.parametrize("model", ["logistic_regression", "svc"])
def test_titanic_goes_all_the_way_by_its_source_alone(checkout, model):
    paths = checkout("tabular", {})
    file = paths.root / "titanic/train.csv"
    write_titanic(file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    source = {"path": "titanic/train.csv", "sha256": digest, "target": "Survived"}
    ignored = ["PassengerId", "Name", "Ticket"]
    changes = {"tabular.prepare.ignore_columns": ignored, "tabular.train.model": model}
    checkout("tabular", {"tabular.fetch.source": source, **changes})
    for stage in ("fetch", "prepare", "train", "evaluate"):
        run_stage(stage, "tabular", paths.root)
    metrics = json.loads(paths.metrics.read_text())
    assert metrics["accuracy"] > metrics["majority_baseline_accuracy"] + 0.05
    report = json.loads((paths.prepared / "data_report.json").read_text())
    assert set(report["columns"]) == set(TITANIC) - {*ignored, "Survived"}
    assert {name for name, facts in report["columns"].items() if facts["missing"]} == {"Age", "Cabin", "Embarked"}
    assert report["source"]["sha256"] == digest
    card = read_card(paths.model, "tabular")
    assert card.labels == ["0", "1"]
    assert card.source["target"] == "Survived"


def test_a_table_at_a_version_is_the_one_of_that_version(checkout):
    """About 6 s: a repository whose table DVC tracks, at two tags, read at each."""
    paths: TaskPaths = checkout("tabular", {})
    data = paths.root / "data repository"
    data.mkdir()
    git(data, "init", "--quiet", "--initial-branch=main")
    dvc(data, "init", "--quiet")
    for tag, n in (("dv1", 60), ("dv2", 90)):
        write_titanic(data / "train.csv", n)
        dvc(data, "add", "--quiet", "train.csv")
        commit(data, tag)
        git(data, "tag", tag)
    for tag, n in (("dv1", 60), ("dv2", 90)):
        source = {"repo": "data repository", "path": "train.csv", "rev": tag, "target": "Survived"}
        checkout("tabular", {"tabular.fetch.source": source})
        run_stage("fetch", "tabular", paths.root)
        assert sorted(path.name for path in paths.raw.iterdir()) == ["source.json", "table.csv"]
        assert len(list(csv.reader((paths.raw / "table.csv").open(newline="")))) == n + 1
        said = json.loads((paths.raw / "source.json").read_text())
        assert said["commit"] == git(data, "rev-parse", tag)
        assert said["target"] == "Survived"
        run_stage("prepare", "tabular", paths.root)


def test_a_version_that_is_a_folder_of_several_files_is_one_sentence(checkout):
    paths: TaskPaths = checkout("tabular", {})
    data = paths.root / "tables"
    data.mkdir()
    git(data, "init", "--quiet", "--initial-branch=main")
    dvc(data, "init", "--quiet")
    commit(data, "Two tables", {"both/a.csv": "a,b\n1,2\n", "both/b.csv": "a,b\n1,2\n"})
    source = {"repo": "tables", "path": "both", "rev": "main", "target": "b"}
    checkout("tabular", {"tabular.fetch.source": source})
    with pytest.raises(TaskError, match=r"a folder of 2 files at .*; name one CSV file in it"):
        run_stage("fetch", "tabular", paths.root)
    assert not paths.raw.exists()

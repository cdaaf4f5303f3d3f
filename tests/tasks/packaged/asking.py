"""Packages asked in a new process that has neither this checkout nor its packages to import."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from tasks.common.data.manifest import read_manifest
from tasks.common.data.shards import open_shard
from tasks.common.model.card import read_card
from tasks.common.packaging.build import package_folder
from tasks.common.packaging.examples import png_of
from tasks.common.stage.paths import TaskPaths
from tasks.tabular.model.table import read_table

SHARDS = {"digits": "images", "pets": "images", "posters": "images", "retinopathy": "photographs"}

# Loads all, then asks all, the last one first: what one has imported must be of no use to another.
PROGRAM = """
import json, sys
sys.modules["tasks"] = None
import mlflow, pandas
jobs = json.load(sys.stdin)
models = {name: mlflow.pyfunc.load_model(job["folder"]) for name, job in jobs.items()}
answers = {}
for name in reversed(jobs):
    rows = pandas.DataFrame(jobs[name]["rows"], columns=jobs[name]["columns"])
    answers[name] = models[name].predict(rows).to_dict("records")
found = [name for name in sys.modules if name.split(".")[0] == "tasks"]
print(json.dumps({"answers": answers, "found": found, "path": sys.path}))
"""


def table_of(rows: pd.DataFrame) -> dict[str, Any]:
    """As JSON can have it."""
    values = [[None if pd.isna(cell) else cell for cell in row] for row in rows.itertuples(index=False, name=None)]
    return {"columns": list(rows.columns), "rows": values}


def ask(jobs: Mapping[str, tuple[Path, pd.DataFrame]], folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The answers of the package in each folder to its table, all in one new process that starts in `folder`."""
    given = {name: {"folder": str(package), **table_of(rows)} for name, (package, rows) in jobs.items()}
    done = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "OMP_NUM_THREADS": "1",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "TF_CPP_MIN_LOG_LEVEL": "3",
        },
        input=json.dumps(given),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["found"] == ["tasks"], "code of this checkout was imported"
    packages = {str(package) for package, _ in jobs.values()}
    assert not [entry for entry in said["path"] if any(entry.startswith(package) for package in packages)]
    answers: dict[str, list[dict[str, Any]]] = said["answers"]
    return answers


def test_examples(paths: TaskPaths) -> pd.DataFrame:
    """The test split as the package takes it: the raw files where each example is one, otherwise what was prepared."""
    examples = [example for example in read_manifest(paths.prepared) if example.split == "test"]
    if paths.task == "tabular":
        card = read_card(paths.model, paths.task)
        is_test = [example.split == "test" for example in read_manifest(paths.prepared)]
        return read_table(paths.prepared)[is_test][card.preprocessing["columns"]]
    files = [paths.raw / example.source for example in examples]
    if all(file.is_file() for file in files):
        contents = [file.read_bytes() for file in files]
    else:
        images = open_shard(paths.prepared, SHARDS[paths.task], "test")
        contents = [png_of(image, 16 if paths.task == "digits" else 255) for image in images]
    return pd.DataFrame({"image": [base64.b64encode(content).decode() for content in contents]})


test_examples.__test__ = False  # type: ignore[attr-defined]


def package_of(paths: TaskPaths) -> Path:
    """Where the stage put it."""
    return package_folder(paths)

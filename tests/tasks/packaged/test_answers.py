"""A package says what evaluate found, wherever it is loaded."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pyarrow.parquet as pq
import pytest

from tasks.common.packaging.build import package_folder
from tasks.common.stage.paths import TaskPaths
from tests.tasks.checkouts import CONFIGURATIONS
from tests.tasks.packaged.asking import ask, test_examples

OURS = "labels = dict(zip(card.labels, chances, strict=True))"
CLASSIFIERS = [name for name in CONFIGURATIONS if name != "prostate"]


@pytest.fixture(scope="module")
def asked(finished, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """All packages in one process, PyTorch's and TensorFlow's; about 20 s, both frameworks and MLflow are imported."""
    folder = tmp_path_factory.mktemp("asked")
    jobs = {}
    for name in CONFIGURATIONS:
        # Elsewhere than where it was made.
        package = Path(shutil.copytree(package_folder(finished[name]), folder / "packages" / name))
        rows = volumes(finished["prostate"]) if name == "prostate" else test_examples(finished[name])
        jobs[name] = (package, rows)
    svc, rows = jobs["svc"]
    # As another commit's would be.
    other = Path(shutil.copytree(svc, folder / "packages" / "other code"))
    code = other / "code/tasks/tabular/infer.py"
    text = code.read_text()
    assert OURS in text
    code.write_text(text.replace(OURS, "labels = {'benign': 5.0, 'malignant': 5.0}"))
    odd = rows.head(3).reset_index(drop=True)
    odd.loc[1, :] = None
    odd.loc[2, odd.columns[0]] = float("inf")
    jobs |= {"other code": (other, rows.head(2)), "odd rows": (svc, odd)}
    return SimpleNamespace(answers=ask(jobs, folder), jobs=jobs)


def volumes(paths: TaskPaths) -> pd.DataFrame:
    """Two volumes, and two cells that are none."""
    files = sorted((paths.raw / "images").rglob("*.mha"))[:2]
    cells = [base64.b64encode(file.read_bytes()).decode() for file in files]
    return pd.DataFrame({"volume": [*cells, "no base64!", ""]})


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_the_answers_are_the_rows_of_the_predictions_to_the_last_bit(finished, asked, name):
    """The batches are the same ones, so there is no reason for another last digit."""
    rows = pq.read_table(finished[name].predictions).to_pylist()
    scores = [column for column in rows[0] if column.startswith("score:")]
    assert scores
    expected = [{column: row[column] for column in ("prediction", *scores)} for row in rows]
    assert asked.answers[name] == [row | {"problem": None} for row in expected]


def test_no_file_is_added_by_loading_and_asking(asked):
    for folder, _ in asked.jobs.values():
        assert not list(folder.rglob("__pycache__"))


def test_a_mask_is_the_one_that_infer_writes_and_what_is_no_file_has_a_problem(finished, asked, tmp_path):
    from tasks.prostate.infer import load

    *masks, no_base64, empty = asked.answers["prostate"]
    volumes = sorted((finished["prostate"].raw / "images").rglob("*.mha"))[:2]
    expected = load(finished["prostate"])(volumes, tmp_path)
    for answer, same in zip(masks, expected, strict=True):
        assert answer["problem"] is None
        assert answer["prediction"] == "|".join(same.predicted)
        assert same.written is not None
        assert base64.b64decode(answer["mask"]) == same.written.read_bytes()
    for answer in (no_base64, empty):
        assert answer == {"prediction": None, "problem": "is not a file in base64", "mask": None}


def test_two_packages_of_one_task_run_each_its_own_code(asked):
    for answer in asked.answers["other code"]:
        assert (answer["score:benign"], answer["score:malignant"]) == (5.0, 5.0)
    assert all(answer["score:benign"] <= 1.0 for answer in asked.answers["svc"])


def test_rows_are_read_as_those_of_a_file(asked):
    """Also those with no value at all, and with what is no number in a file."""
    good, missing, infinite = asked.answers["odd rows"]
    assert good["score:benign"] == pytest.approx(asked.answers["svc"][0]["score:benign"], abs=1e-9)
    assert good["problem"] is None
    assert missing["problem"] is None
    assert sum(missing[f"score:{label}"] for label in ("benign", "malignant")) == pytest.approx(1)
    first = asked.jobs["odd rows"][1].columns[0]
    assert infinite["problem"] == f'"inf" in column "{first}" is not a finite number'
    assert infinite["prediction"] is infinite["score:benign"] is None

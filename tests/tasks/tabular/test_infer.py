"""Inference on rows of CSV files, against what evaluate wrote."""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tasks.common.data.manifest import read_manifest
from tasks.common.stage.errors import TaskError
from tasks.common.stage.paths import TaskPaths
from tasks.tabular.infer import load


@pytest.fixture(scope="module", params=["logistic_regression", "svc", "mlp"])
def paths(request, finished) -> TaskPaths:
    found: TaskPaths = finished[request.param]
    return found


def test_the_test_rows_get_exactly_the_scores_of_evaluate(paths, tmp_path):
    lines = (paths.raw / "table.csv").read_text().splitlines()
    test = [example for example in read_manifest(paths.prepared) if example.split == "test"]
    file = tmp_path / "test.csv"
    file.write_text("\n".join([lines[0], *(lines[int(example.source.split()[1]) - 1] for example in test)]) + "\n")
    answers = load(paths)([file], tmp_path / "out")
    rows = pq.read_table(paths.predictions).to_pylist()
    assert [answer.source for answer in answers] == [f"{file}, line {number + 2}" for number in range(len(rows))]
    for answer, row in zip(answers, rows, strict=True):
        assert {f"score:{label}": value for label, value in answer.labels.items()} == {
            name: value for name, value in row.items() if name.startswith("score:")
        }
        assert answer.predicted == (row["prediction"],)
        assert answer.problem is None


def table(paths: TaskPaths) -> list[dict[str, str]]:
    return list(csv.DictReader((paths.raw / "table.csv").open()))[:4]


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_columns_in_another_order_and_without_the_target_give_the_same(paths, tmp_path):
    rows = table(paths)
    first = load(paths)([write(tmp_path / "a.csv", rows)], tmp_path)
    turned = [dict(reversed([(k, v) for k, v in row.items() if k != "diagnosis"])) for row in rows]
    second = load(paths)([write(tmp_path / "b.csv", turned)], tmp_path)
    assert [answer.labels for answer in first] == [answer.labels for answer in second]
    assert all(sum(answer.labels.values()) == pytest.approx(1) for answer in first)


def test_bad_rows_and_files_are_named_and_the_others_answered(paths, tmp_path):
    rows = table(paths)
    used = next(name for name in rows[0] if name.startswith("worst_concave"))
    rows[1][used] = "many"
    rows[2][used] = ""
    good = write(tmp_path / "good.csv", rows)
    with good.open("a") as file:
        file.write("1,2,3\n")
    lacking = write(tmp_path / "lacking.csv", [{"radius": "1", "other": "2"}])
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n")
    absent = tmp_path / "absent.csv"
    answers = load(paths)([absent, good, picture, lacking], tmp_path)
    problems = [answer.problem for answer in answers]
    assert [problem is None for problem in problems] == [False, True, False, True, True, False, False, False]
    assert "does not exist" in problems[0]
    assert problems[2] == f'"many" in column "{used}" is not a finite number'
    assert answers[2].source == f"{good}, line 3"
    assert "cells instead of" in problems[5]
    assert "is not UTF-8" in problems[6]
    assert "which the model needs" in problems[7]
    assert all(not answer.labels and not answer.predicted for answer in answers if answer.problem)


def test_a_file_without_rows_is_a_problem(paths, tmp_path):
    file = tmp_path / "empty.csv"
    file.write_text((paths.raw / "table.csv").read_text().splitlines()[0] + "\n")
    assert [answer.problem for answer in load(paths)([file], tmp_path)] == ["has a header but no rows"]


def test_without_a_model_it_is_one_sentence(tmp_path):
    with pytest.raises(TaskError, match="run the stage train first"):
        load(TaskPaths(tmp_path, "tabular"))([tmp_path / "a.csv"], tmp_path)

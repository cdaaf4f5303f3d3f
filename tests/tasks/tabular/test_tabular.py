from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.common.data.manifest import read_manifest
from tasks.common.model.card import read_card
from tasks.common.stage.errors import TaskError
from tasks.common.stage.paths import TaskPaths
from tasks.common.stage.run import run_stage
from tasks.tabular.model.pipeline import build_encoder, distinct_columns, fit_selection, score
from tasks.tabular.model.table import read_table
from tests.tasks.checkouts import params_of

MakeTable = Callable[..., TaskPaths]


def passengers(n: int = 200, seed: int = 0) -> list[list[str]]:
    """Rows of a table with a number, a text with a rare value, gaps in both, and a target that follows from them."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(n):
        age = rng.normal(40, 15)
        port = rng.choice(["north", "south", "île, d'Yeu"], p=[0.5, 0.48, 0.02])
        lives = "yes" if age + (20 if port == "north" else -20) + rng.normal(0, 5) > 40 else "no"
        shown = "" if rng.random() < 0.1 else f"{age:.2f}"
        rows.append([str(number), shown, "NA" if rng.random() < 0.1 else str(port), lives])
    return rows


@pytest.fixture
def table(checkout) -> MakeTable:
    """A function that puts a CSV file into a checkout, pins it, and takes further changes of the parameters."""

    def make(rows: list[list[str]], header: str = "number,age,port,lives", **changes: Any) -> TaskPaths:
        paths = checkout("tabular", {})
        file = paths.root / "own.csv"
        with file.open("w", encoding="utf-8", newline="") as stream:
            stream.write(header + "\n")
            csv.writer(stream, lineterminator="\n").writerows(rows)
        source = {"path": "own.csv", "sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "target": "lives"}
        return checkout("tabular", {"tabular.fetch.source": source, **changes})

    return make


def run(paths: TaskPaths, *stages: str) -> None:
    for stage in stages:
        run_stage(stage, "tabular", paths.root)


def report(paths: TaskPaths) -> dict[str, Any]:
    return json.loads((paths.prepared / "data_report.json").read_text())


@pytest.mark.parametrize("model", ["logistic_regression", "svc", "mlp"])
def test_a_csv_file_with_texts_and_gaps_goes_all_the_way(table, model):
    paths = table(passengers(), **{"tabular.prepare.ignore_columns": ["number"], "tabular.train.model": model})
    run(paths, "fetch", "prepare", "train", "evaluate")
    metrics = json.loads(paths.metrics.read_text())
    assert metrics["accuracy"] > metrics["majority_baseline_accuracy"] + 0.2
    assert report(paths)["columns"]["port"]["kind"] == "text"
    assert report(paths)["columns"]["age"]["missing"] > 0
    assert read_card(paths.model, "tabular").preprocessing["columns"] == ["age", "port"]


def test_the_test_split_has_no_say_in_the_model(table):
    """Other values in the test rows, the same splits: the model's file must not differ in one bit."""
    rows = [[*row[:2], row[1], *row[2:]] for row in passengers()]
    paths = table(rows, header="number,age,same,port,lives", **{"tabular.train.select_columns": 2})
    run(paths, "fetch", "prepare", "train")
    digest = read_card(paths.model, "tabular").files
    is_test = [example.split == "test" for example in read_manifest(paths.prepared)]
    frame = pd.read_parquet(paths.prepared / "table.parquet")
    frame.loc[is_test, "age"] = 1e6
    frame.loc[is_test, "port"] = "elsewhere"
    frame.to_parquet(paths.prepared / "table.parquet")
    run(paths, "train", "evaluate")
    assert read_card(paths.model, "tabular").files == digest


def test_rows_that_cannot_be_used_are_set_aside_with_line_and_reason(table):
    rows = passengers()
    rows[0][3] = " "
    rows[2][1] = "forty"
    rows[4] = ["only", "three", "cells"]
    rows[6][1] = "1e999"
    paths = table(rows)
    run(paths, "fetch", "prepare")
    assert report(paths)["set_aside"] == 4
    assert report(paths)["set_aside_because"] == [
        {"source": "line 2", "reason": "the target is missing"},
        {"source": "line 4", "reason": '"forty" in column "age" is not a finite number'},
        {"source": "line 6", "reason": "has 3 cells instead of 4"},
        {"source": "line 8", "reason": '"1e999" in column "age" is not a finite number'},
    ]
    assert report(paths)["examples"] == 196
    lines = {example.source for example in read_manifest(paths.prepared)}
    assert not lines & {"line 2", "line 4", "line 6", "line 8"}
    assert {"line 3", "line 201"} <= lines


def test_doubles_of_a_row_stay_together_whatever_their_target(table):
    rows = passengers(60)
    doubles = [[*row[:3], "no" if row[3] == "yes" else "yes"] for row in rows[:20]]
    paths = table([*rows, *doubles, *rows])
    run(paths, "fetch", "prepare")
    examples = read_manifest(paths.prepared)
    splits_of: dict[str, set[str]] = {}
    for example in examples:
        splits_of.setdefault(example.digest, set()).add(example.split)
    assert all(len(splits) == 1 for splits in splits_of.values())
    assert len(examples) == 140
    assert report(paths)["repeated"] == 80
    assert report(paths)["repeated_with_other_label"] == 20


def test_a_row_more_leaves_the_ids_and_nearly_all_splits_as_they_were(table):
    first = table(passengers(200))
    run(first, "fetch", "prepare")
    before = {example.id: example.split for example in read_manifest(first.prepared)}
    more = table([["999", "33.3", "north", "yes"], *passengers(200)])
    run(more, "fetch", "prepare")
    after = {example.id: example.split for example in read_manifest(more.prepared)}
    assert set(before) < set(after)
    assert sum(after[name] != split for name, split in before.items()) <= 2


def test_changed_content_is_an_error_with_the_line_to_paste(table):
    paths = table(passengers())
    file = paths.root / "own.csv"
    file.write_text(file.read_text() + "1,2,north,no\n")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    with pytest.raises(TaskError) as caught:
        run(paths, "fetch")
    assert str(caught.value).endswith(f"set this line: sha256: {digest}")
    assert not paths.raw.exists()


@pytest.mark.parametrize("digest", [{}, {"sha256": None}, {"sha256": ""}])
def test_a_missing_digest_is_an_error_with_the_line_to_paste(checkout, table, digest):
    paths = table(passengers())
    right = hashlib.sha256((paths.root / "own.csv").read_bytes()).hexdigest()
    checkout("tabular", {"tabular.fetch.source": {"path": "own.csv", "target": "lives", **digest}})
    with pytest.raises(TaskError) as caught:
        run(paths, "fetch")
    assert "sha256 is missing" in str(caught.value)
    assert str(caught.value).endswith(f"sha256: {right}")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("absent.csv", "no file in the repository"),
        (".", "no file in the repository"),
        ("../own.csv", "outside of the repository"),
        ("/etc/passwd", "outside of the repository"),
        ("link.csv", "outside of the repository"),
    ],
)
def test_a_path_that_leads_nowhere_or_outside_is_one_sentence(checkout, path, words):
    paths = checkout("tabular", {"tabular.fetch.source": {"path": path, "sha256": "0" * 64, "target": "t"}})
    (paths.root / "link.csv").symlink_to("/etc/passwd")
    with pytest.raises(TaskError, match=words):
        run(paths, "fetch")


@pytest.mark.parametrize(
    ("rows", "header", "words"),
    [
        (passengers(), "number,age,port,life", 'has no column "lives", which params.yaml names; did you mean "life"?'),
        ([], "number,age,port,lives", "has a header but no rows"),
        ([["1", "2", "x", "yes"]] * 40, "number,age,port,lives", "at least 2 classes"),
        ([[str(i), "2", "x", str(i)] for i in range(60)], "number,age,port,lives", "60 different values"),
        ([*passengers(), ["1", "2", "x", "maybe"]], "number,age,port,lives", 'the class "maybe" has no example'),
        ([["", "", "", "yes"]] * 9, "number,age,port,lives", 'no column with values beside "lives"'),
        (
            [["1", "2", "x", ""]] * 9 + [["1", "2", "x", "a"]],
            "number,age,port,lives",
            "9 of 10 examples cannot be used, the first is line 2 (the target is missing)",
        ),
    ],
)
def test_a_table_that_cannot_be_used_is_one_sentence(table, rows, header, words):
    paths = table(rows, header)
    run(paths, "fetch")
    with pytest.raises(TaskError) as caught:
        run(paths, "prepare")
    assert words in str(caught.value)
    assert not paths.prepared.exists()


def test_a_column_to_ignore_that_is_not_there_is_one_sentence(table):
    paths = table(passengers(), **{"tabular.prepare.ignore_columns": ["numbr"]})
    run(paths, "fetch")
    with pytest.raises(TaskError, match=r'no column "numbr".* did you mean "number"'):
        run(paths, "prepare")


def test_columns_without_values_are_reported_and_left_out(table):
    paths = table([[*row[:3], "?", row[3]] for row in passengers()], header="number,age,port,empty,lives")
    run(paths, "fetch", "prepare")
    assert report(paths)["columns_without_values"] == ["empty"]
    assert "empty" not in read_table(paths.prepared)


def test_texts_never_met_in_training_are_scored(table):
    paths = table(passengers(), **{"tabular.prepare.ignore_columns": ["number"]})
    run(paths, "fetch", "prepare", "train")
    strange = pd.DataFrame({"age": [np.nan, 30.0], "port": pd.Series(["elsewhere", None], dtype=object)})
    scores = score(paths.model, read_card(paths.model, "tabular"), strange)
    assert scores.sum(axis=1) == pytest.approx([1, 1])


def test_the_builtin_table_has_the_columns_asked_for(checkout):
    paths = checkout("tabular", {"tabular.fetch.noise_columns": 3, "tabular.fetch.duplicate_columns": 2})
    run(paths, "fetch", "prepare")
    frame = read_table(paths.prepared)
    assert len(frame) == 569
    copies = [name for name in frame if name.startswith("copy_")]
    assert len(copies) == 2
    assert len([name for name in frame if name.startswith("noise_")]) == 3
    assert len(frame.columns) == 35
    assert all(frame[name].equals(frame[name.split("_of_", 1)[1]]) for name in copies)


def test_of_equal_columns_the_first_is_kept():
    frame = pd.DataFrame({"a": [1.0, np.nan], "b": [1.0, np.nan], "c": [1.0, 2.0], "d": ["x", None], "e": ["x", None]})
    assert distinct_columns(frame) == ["a", "c", "d"]


def test_the_selection_finds_the_columns_that_tell_the_classes_apart():
    rng = np.random.default_rng(0)
    targets = rng.integers(2, size=200)
    encoded = np.column_stack([rng.normal(size=200), np.ones(200), targets + rng.normal(0, 0.3, 200), rng.random(200)])
    assert fit_selection(encoded, targets, 1).get_feature_names_out().tolist() == ["x2"]
    assert fit_selection(encoded, targets, 9).transform(encoded).shape == (200, 3)


def test_gaps_are_filled_with_the_median_of_the_rows_fitted_on():
    fitted = pd.DataFrame({"a": [1.0, 2.0, 9.0, np.nan]})
    encoder = build_encoder(fitted, 1).fit(fitted)
    two, gap = encoder.transform(pd.DataFrame({"a": [2.0, np.nan]}))
    assert two[0] == gap[0]
    assert two[1] != gap[1]


def test_an_svc_with_a_class_of_one_row_says_what_to_do(table):
    rows = [*passengers(60), *([str(i), str(900 + i), "x", "maybe"] for i in range(3))]
    paths = table(rows, **{"tabular.train.model": "svc"})
    run(paths, "fetch", "prepare")
    assert sum(e.label == "maybe" and e.split == "train" for e in read_manifest(paths.prepared)) == 1
    with pytest.raises(TaskError, match="logistic_regression"):
        run(paths, "train")
    assert not paths.model.exists()


def test_the_model_refuses_a_table_without_its_columns(finished):
    paths = finished["svc"]
    card = read_card(paths.model, "tabular")
    with pytest.raises(TaskError, match="needs the column"):
        score(paths.model, card, read_table(paths.prepared).drop(columns=card.preprocessing["columns"][0]))


def test_parameters_of_the_repository_are_valid(checkout):
    paths = checkout("tabular")
    for stage in ("fetch", "prepare", "train", "evaluate"):
        params_of(paths, stage)

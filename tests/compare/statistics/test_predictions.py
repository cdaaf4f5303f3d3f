"""Reading predictions that nobody vouches for."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.compare.statistics import columns, predictions
from pawl.compare.statistics.names import canonical, direction_of, metric_names
from pawl.compare.statistics.predictions import natural_order, read_predictions
from pawl.errors import InputError
from tests.compare.statistics.pairs import write

CLASSES = {
    "id": ["x", "y", "z"],
    "target": ["cat", "dog", "cat"],
    "prediction": ["cat", "cat", "dog"],
    "score_cat": [0.9, 0.6, 0.2],
    "score_dog": [0.1, 0.4, 0.8],
}


def test_a_classification_is_read_over_its_labels(tmp_path: Path) -> None:
    found = read_predictions(
        write(
            tmp_path / "p.parquet",
            **CLASSES,
            group=["p1", "p1", "p2"],
            slice_site=["a", None, "b"],
            value_cost=[1, 2, 3],
        )
    )
    assert (found.kind, found.labels, list(found.ids)) == ("classification", ("cat", "dog"), ["x", "y", "z"])
    assert found.targets is not None
    assert found.predictions is not None
    assert found.scores is not None
    assert found.groups is not None
    assert (found.targets.tolist(), found.predictions.tolist()) == ([0, 1, 0], [0, 0, 1])
    assert found.scores[:, 1].tolist() == [0.1, 0.4, 0.8]
    assert found.groups[0] == found.groups[1] != found.groups[2]
    assert list(found.slices["site"]) == ["a", "(missing)", "b"]
    assert found.values["cost"].tolist() == [1.0, 2.0, 3.0]
    assert metric_names(found)[:3] == ("accuracy", "balanced_accuracy", "macro_f1")
    assert {"auroc", "average_precision", "recall:dog", "cost"} <= set(metric_names(found))
    part = found.take(np.array([True, False, True]))
    assert (list(part.ids), part.scores[:, 0].tolist(), list(part.slices["site"])) == (
        ["x", "z"],
        [0.9, 0.2],
        ["a", "b"],
    )


def test_scores_are_put_in_the_order_of_labels_and_numbers_after_their_size(tmp_path: Path) -> None:
    found = read_predictions(
        write(
            tmp_path / "p.parquet",
            id=[1, 2],
            target=[10, 9],
            prediction=[9, 9],
            score_10=[0.4, 0.3],
            score_9=[0.6, 0.7],
        )
    )
    assert (found.labels, list(found.ids)) == (("9", "10"), ["1", "2"])
    assert found.scores is not None
    assert found.scores[0].tolist() == [0.6, 0.4]


def test_texts_with_bars_are_sets_of_labels(tmp_path: Path) -> None:
    found = read_predictions(write(tmp_path / "p.parquet", id=["x", "y"], target=["a|b", ""], prediction=["b", "a"]))
    assert (found.kind, found.labels) == ("multi-label", ("a", "b"))
    assert found.targets is not None
    assert found.targets.tolist() == [[True, True], [False, False]]
    one_label = read_predictions(
        write(tmp_path / "q.parquet", id=["x"], target=["a|b"], prediction=["a|b"], **{"score_a|b": [1.0]})
    )
    assert (one_label.kind, one_label.labels) == ("classification", ("a|b",))


def test_numbers_with_decimals_are_a_regression_and_values_need_no_target(tmp_path: Path) -> None:
    found = read_predictions(write(tmp_path / "p.parquet", id=["x", "y"], target=[1.5, 2.0], prediction=[1.0, 2.0]))
    assert (found.kind, found.targets.tolist()) == ("regression", [1.5, 2.0])
    values = read_predictions(write(tmp_path / "v.parquet", id=["x", "y"], value_dice=[0.5, 0.75]))
    assert (values.kind, values.targets, values.values["dice"].tolist()) == ("values", None, [0.5, 0.75])
    described = read_predictions(
        write(tmp_path / "d.parquet", id=["x"], target=["9 voxels"], prediction=["8 voxels"], value_dice=[0.5])
    )
    assert (described.kind, list(described.targets)) == ("values", ["9 voxels"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": None}, 'no column "id"'),
        ({"id": ["x", "x", "z"]}, 'the id "x" is in 2 rows'),
        ({"id": ["x", None, "z"]}, 'row 2 of the column "id" is empty'),
        ({"id": ["x", "y", ""]}, "row 3 has an empty id"),
        ({"id": [[1], [2], [3]]}, 'the column "id" holds list'),
        ({"id": ["x", "y" * 5_000, "z"]}, "more than 1,000 characters"),
        ({"prediction": None}, 'no column "prediction"'),
        ({"target": None, "prediction": None}, 'no column "target"'),
        ({"target": ["cat", None, "dog"]}, 'row 2 of the column "target" is empty'),
        ({"target": ["cat", "cow", "dog"]}, 'the label "cow" but no column "score:cow"'),
        ({"prediction": [b"cat", b"cow", b"dog"]}, 'the column "prediction" holds binary'),
        ({"score_cat": [0.9, math.nan, 0.2]}, 'row 2 of the column "score:cat" is nan'),
        ({"score_cat": [0.9, None, 0.2]}, 'row 2 of the column "score:cat" is empty'),
        ({"score_cat": [0.9, 1.6, 0.2]}, 'row 2 of the column "score:cat" is 1.6: write probabilities'),
        ({"score_cat": ["a", "b", "c"]}, 'the column "score:cat" holds'),
        ({"score_dog": [0.1, 0.4, 0.5]}, "the scores of row 3 add up to 0.7, not to 1 within 0.01"),
        ({"value_x": [1.0, math.inf, 2.0]}, 'row 2 of the column "value:x" is inf'),
        ({"group": ["a", None, "b"]}, 'row 2 of the column "group" is empty'),
        ({"target": [1.5, 2.5, 1.0]}, "no label"),
    ],
)
def test_what_cannot_be_compared_is_said_in_a_sentence(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    given_columns = {name: column for name, column in {**CLASSES, **change}.items() if column is not None}
    path = write(tmp_path / "p.parquet", **given_columns)
    with pytest.raises(InputError) as caught:
        read_predictions(path, "base's predictions")
    assert said in str(caught.value)
    assert str(caught.value).startswith("base's predictions")
    assert ": " in str(caught.value)
    assert str(caught.value).endswith(".")


def test_what_is_no_parquet_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "p.parquet").write_bytes(b"PAR1 nothing PAR1")
    for path, said in ((tmp_path / "p.parquet", "is not a parquet file"), (tmp_path / "q", "does not exist")):
        with pytest.raises(InputError, match=said):
            read_predictions(path)


@pytest.mark.parametrize("at", [0.2, 0.5, 0.8])
def test_damaged_files_are_errors_of_input(tmp_path: Path, at: float) -> None:
    path = write(tmp_path / "p.parquet", **{**CLASSES, "id": ["x", "y", "z"]})
    content = bytearray(path.read_bytes())
    start = int(len(content) * at)
    content[start : start + 40] = b"\xff" * 40
    path.write_bytes(bytes(content))
    with pytest.raises(InputError):
        read_predictions(path)


def test_one_long_text_repeated_takes_no_more_than_itself(tmp_path: Path) -> None:
    # 400 MB as plain texts, in a file of some kilobytes that does not say that its texts are a dictionary.
    text = pa.array(["y" * 100_000]).take(pa.array(np.zeros(4_000, np.int64)))
    table = pa.table({"id": text, "target": ["a"] * 4_000, "prediction": ["a"] * 4_000})
    pq.write_table(table, tmp_path / "p.parquet", store_schema=False)
    assert (tmp_path / "p.parquet").stat().st_size < 300_000
    del text, table
    code = (
        "import sys, pathlib, pyarrow\n"
        "from pawl.compare.statistics.predictions import read_predictions\n"
        "try:\n    read_predictions(pathlib.Path(sys.argv[1]))\n"
        "except Exception as error:\n    print(error)\n"
        "print(pyarrow.default_memory_pool().max_memory())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "p.parquet")], capture_output=True, text=True, check=True
    )
    said, peak_bytes = done.stdout.splitlines()
    assert "more than 1,000 characters" in said
    assert int(peak_bytes) < 50_000_000


def test_scores_that_are_off_by_rounding_are_probabilities(tmp_path: Path) -> None:
    rounded = {**CLASSES, "score_cat": [1.0000003, 0.6, 0.2], "score_dog": [-1e-7, 0.4, 0.8]}
    found = read_predictions(write(tmp_path / "p.parquet", **rounded))
    assert found.scores is not None
    assert found.scores[0].tolist() == [1.0, 0.0]


def test_limits_are_looked_at_before_anything_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "p.parquet", **CLASSES)
    monkeypatch.setattr(columns, "MAX_COLUMN_BYTES", 10)
    with pytest.raises(InputError, match="is larger than"):
        read_predictions(path)
    monkeypatch.setattr(columns, "MAX_ROWS", 2)
    with pytest.raises(InputError, match="has 3 rows, more than 2"):
        read_predictions(path)
    monkeypatch.setattr(columns, "MAX_FILE_BYTES", 10)
    with pytest.raises(InputError, match="is larger than"):
        read_predictions(path)


def test_columns_of_lists_do_not_hide_the_size_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = [{"left": [1, 2], "top": 3}] * 3
    path = write(tmp_path / "p.parquet", boxes=boxes, **CLASSES, note=["n" * 5_000 + str(n) for n in range(3)])
    monkeypatch.setattr(columns, "MAX_COLUMN_BYTES", 1_000)
    assert read_predictions(path).kind == "classification"
    path = write(tmp_path / "q.parquet", boxes=boxes, **{**CLASSES, "group": [str(n) * 900 for n in range(3)]})
    with pytest.raises(InputError, match='the column "group" is larger than'):
        read_predictions(path)


def test_too_many_labels_or_scores_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "p.parquet", **CLASSES)
    monkeypatch.setattr(predictions, "MAX_SCORES", 5)
    with pytest.raises(InputError, match="3 rows of 2 scores"):
        read_predictions(path)
    monkeypatch.setattr(predictions, "MAX_LABELS", 1)
    with pytest.raises(InputError, match="2 different labels, more than 1"):
        read_predictions(path)


def test_pictures_stay_in_the_file_until_they_are_wanted(tmp_path: Path) -> None:
    count = 200
    pictures = [b"\x89PNG" + bytes([number]) for number in range(count)]
    pictures[7] = None  # type: ignore[call-overload]
    path = write(tmp_path / "p.parquet", id=[f"{n}" for n in range(count)], value_dice=[0.5] * count, image=pictures)
    found = read_predictions(path).take(np.arange(count)[::-1])
    assert found.images is not None
    assert found.images.read([0, 199, 192]) == [pictures[199], pictures[0], None]
    wrong = read_predictions(write(tmp_path / "w.parquet", id=["x"], value_dice=[1.0], image=[[1, 2]]))
    assert wrong.images is not None
    with pytest.raises(InputError, match='"image" holds list'):
        wrong.images.read([0])


def test_no_rows_and_repeated_columns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no rows"):
        read_predictions(
            write(tmp_path / "p.parquet", id=pa.array([], pa.string()), value_x=pa.array([], pa.float64()))
        )
    pq.write_table(pa.table([pa.array(["x"]), pa.array(["y"])], names=["id", "id"]), tmp_path / "q.parquet")
    with pytest.raises(InputError, match='"id" twice'):
        read_predictions(tmp_path / "q.parquet")


@given(st.lists(st.text(max_size=8), max_size=12))
def test_any_labels_have_an_order_that_does_not_depend_on_where_they_stood(labels: list[str]) -> None:
    assert natural_order(labels) == natural_order(labels[::-1])
    assert set(natural_order(labels)) == set(labels)


def test_labels_are_ordered_as_people_count() -> None:
    assert natural_order(["10", "9", "-1", "0.5"]) == ("-1", "0.5", "9", "10")
    assert natural_order(["x10", "x9", "²", "a"]) == ("a", "x9", "x10", "²")


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("acc", "accuracy"),
        ("test/f1_macro", "macro_f1"),
        ("F1-Macro", "macro_f1"),
        ("roc_auc", "auroc"),
        ("AUC", "auroc"),
        ("logloss", "log_loss"),
        ("quadratic_weighted_kappa", "qwk"),
        ("ECE", "calibration_error"),
        ("mAP", "mean_average_precision"),
        ("mean_iou", "iou"),
        ("subset_accuracy", "accuracy"),
        ("micro_f1", "micro_f1"),
        ("recall:Cat", "recall:Cat"),
        ("loss", None),
        ("examples", None),
        ("majority_baseline_accuracy", None),
        ("", None),
    ],
)
def test_metrics_go_by_one_name(key: str, name: str | None) -> None:
    assert canonical(key) == name


def test_directions_are_known() -> None:
    assert [direction_of(name) for name in ("auroc", "log_loss", "recall:a", "dice", "surface_error")] == [
        "higher",
        "lower",
        "higher",
        "higher",
        "lower",
    ]

"""Reading metrics, histories and confusion matrices in the formats that DVC repositories have."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.compare.files import (
    columns_of,
    confusion_columns,
    natural,
    read_confusion,
    read_curves,
    read_metrics,
    step_column,
    tables_in,
)
from pawl.compare.results import curve_name
from pawl.errors import InputError


@pytest.mark.parametrize(
    ("name", "text"),
    [("m.json", '{"a": {"b": 1.5}, "c": 2}'), ("m.yaml", "a: {b: 1.5}\nc: 2\n"), ("m.toml", "c = 2\n[a]\nb = 1.5\n")],
)
def test_metrics_in_every_format_flatten_alike(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert read_metrics(tmp_path / name, name) == {"a.b": 1.5, "c": 2}


def test_a_lone_number_goes_by_its_files_name(tmp_path: Path) -> None:
    (tmp_path / "auc.json").write_text("0.75")
    assert read_metrics(tmp_path / "auc.json", "auc.json") == {"auc": 0.75}


@pytest.mark.parametrize("content", [b"{", b"[1, 2]", b"\xff\xfe", b"null", b'{"a": ' * 5_000])
def test_what_is_no_metrics_file_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.json").write_bytes(content)
    with pytest.raises(InputError, match=r"^m\.json of head .*correct the stage that writes it"):
        read_metrics(tmp_path / "m.json", "m.json of head")


def test_curves_keep_their_last_point_when_thinned(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text("epoch,loss,note\n" + "".join(f"{i},{1 / (i + 1)},x\n" for i in range(10_000)))
    curves = read_curves(path, "epoch")
    assert list(curves) == ["loss"]
    assert len(curves["loss"].steps) == 500
    assert (curves["loss"].steps[0], curves["loss"].steps[-1]) == (0, 9_999)


def test_empty_and_broken_cells_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "history.tsv"
    path.write_text("step\ta\tb\n0\t1\t\n1\tnan\t5\n2\t3\tx\n")
    curves = read_curves(path, "step")
    assert (curves["a"].steps, curves["a"].values) == ((0, 2), (1, 3))
    assert (curves["b"].steps, curves["b"].values) == ((1,), (5,))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=60))
def test_confusion_counts_every_row_once(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]) -> None:
    path = tmp_path_factory.mktemp("confusion") / "c.csv"
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([("actual", "predicted"), *rows])
    counts = read_confusion(path, "actual", "predicted")
    assert counts is not None
    assert counts.total() == len(rows)
    assert all(counts[pair] == rows.count(pair) for pair in set(rows))


def test_what_a_table_is_shows_in_its_columns(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "c.csv").write_text("y_true,y_pred,step\na,b,1\n")
    (tmp_path / "h.tsv").write_text("iteration\tloss\n0\t1\n")
    (tmp_path / "image.png").write_bytes(b"")
    tables = list(tables_in(tmp_path))
    assert [path.name for path in tables] == ["c.csv", "h.tsv"]
    assert confusion_columns(columns_of(tables[0])) == ("y_true", "y_pred")
    assert confusion_columns(columns_of(tables[1])) is None
    assert step_column(columns_of(tables[1])) == "iteration"
    assert step_column(["when", "loss"], "when") == "when"


def test_labels_sort_as_people_count() -> None:
    assert sorted(["10", "9", "class 2", "class 10"], key=natural) == ["9", "10", "class 2", "class 10"]
    assert sorted(["m²", "m10", "m9"], key=natural) == ["m9", "m10", "m²"]


@pytest.mark.parametrize(
    ("path", "column", "name"),
    [
        ("results/digits/history/plots/metrics/val/loss.tsv", "loss", ("digits", "val/loss")),
        ("dvclive/plots/metrics/acc.tsv", "acc", ("dvclive/plots", "acc")),
        ("logs.csv", "loss", ("logs", "loss")),
    ],
)
def test_histories_are_named_by_what_was_trained(path: str, column: str, name: tuple[str, str]) -> None:
    group, curve = curve_name(path, column)
    assert curve == name[1]
    assert group
    assert group == name[0] or name[0].startswith("dvclive")

"""Rows that a training appends, in whatever pieces they reach the disk, are read once each."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from pawl.tracking.following import History, Table

values = st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=30)


@settings(max_examples=60)
@given(values, st.lists(st.integers(1, 40), max_size=40), st.booleans(), st.booleans())
def test_every_row_once_in_order(numbers: list[float], cuts: list[int], anew: bool, last_line_ends: bool) -> None:
    text = "step\tloss\n" + "".join(f"{step}\t{value}\n" for step, value in enumerate(numbers))
    data = (text if last_line_ends else text[:-1]).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "loss.tsv")
        table = Table(path, "plots/loss.tsv")
        found, end = [], 0
        for cut in (*cuts, len(data)):
            end = min(len(data), end + cut)
            if anew:  # as a library does that writes the whole file each time
                path.unlink(missing_ok=True)
            path.write_bytes(data[:end])
            found += list(table.read())
        found += list(table.read(whole=True))
        assert list(table.read(whole=True)) == []
    assert [(one.step, one.value) for one in found] == list(enumerate(numbers))
    assert {one.name for one in found} == {"loss"}


def test_a_file_that_is_begun_again_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "loss.tsv"
    table = Table(path, "plots/loss.tsv")
    path.write_text("step\tloss\n0\t1.0\n1\t0.5\n2\t0.4\n")
    assert len(list(table.read())) == 3
    path.write_text("step\tloss\n0\t9.0\n")
    assert [(one.step, one.value) for one in table.read()] == [(0, 9.0)]
    path.write_text("step\tother\n0\t0.001\n1\t0.002\n")
    assert [(one.name, one.value) for one in table.read()] == [("other", 0.001), ("other", 0.002)]


def test_another_file_of_the_same_name_is_read_whole_though_its_rows_end_at_the_same_places(tmp_path: Path) -> None:
    path = tmp_path / "loss.tsv"
    table = Table(path, "plots/loss.tsv")
    path.write_text("step\tloss\n0\t1.0\n1\t2.0\n")
    assert len(list(table.read())) == 2
    (tmp_path / "new").write_text("step\tloss\n0\t3.0\n1\t4.0\n2\t5.0\n")
    (tmp_path / "new").replace(path)
    assert [one.value for one in table.read()] == [3, 4, 5]
    (tmp_path / "new").write_text("step\tloss\n0\t3.0\n1\t4.0\n2\t5.0\n3\t6.0\n")
    (tmp_path / "new").replace(path)
    assert [one.value for one in table.read()] == [6], "rows that are known are not told again"


def test_a_file_that_was_over_can_be_begun_again(tmp_path: Path) -> None:
    path = tmp_path / "loss.tsv"
    table = Table(path, "plots/loss.tsv")
    path.write_text("step\tloss\n0\t1.0\n1\t2.0")
    assert len(list(table.read(whole=True))) == 2
    path.write_text("step\tloss\n0\t9.0\n")
    assert [one.value for one in table.read()] == [9]


def test_what_is_no_history_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "confusion.csv").write_text("step,actual,predicted\n1,cat,dog\n")
    (tmp_path / "words.tsv").write_text("word\tcount\nthe\t3\n")
    (tmp_path / "gaps.csv").write_text("step,loss,lr\n0,,0.1\n1,nan,0.1\nx,1,1\n1e300,1,1\n2,0.5,inf\n")
    (tmp_path / "noise.tsv").write_bytes(bytes(range(256)) + b"\n" + bytes(range(256)))
    history = History(tmp_path, "plots")
    assert [(one.name, one.step, one.value) for one in history.read(whole=True)] == [
        ("lr", 0, 0.1),
        ("lr", 1, 0.1),
        ("loss", 2, 0.5),
    ]


def test_a_fold_is_a_part_and_a_time_stamp_is_the_time(tmp_path: Path) -> None:
    for fold in (0, 1):
        folder = tmp_path / "metrics" / f"fold_{fold}" / "val"
        folder.mkdir(parents=True)
        (folder / "loss.tsv").write_text(f"timestamp\tstep\tloss\n1700000000000\t0\t{fold}.5\n")
    history = History(tmp_path, "results/prostate/history/plots")
    found = [(one.part, one.name, one.value, one.at_ms) for one in history.read()]
    assert found == [("fold_0", "val/loss", 0.5, 1_700_000_000_000), ("fold_1", "val/loss", 1.5, 1_700_000_000_000)]


def test_a_fold_may_be_in_the_path_that_dvc_yaml_names(tmp_path: Path) -> None:
    (tmp_path / "loss.tsv").write_text("step\tloss\n0\t0.5\n")
    assert [one.part for one in History(tmp_path / "loss.tsv", "results/fold_1/loss.tsv").read()] == ["fold_1"]

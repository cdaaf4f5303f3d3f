"""Manifests written by hand are wrong in every way: a note says how, and nothing else suffers."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.compare.data import manifest
from pawl.compare.data.differences import manifest_difference
from pawl.compare.data.manifest import read_manifest
from pawl.schema import DataDifference

GOOD = b"id,split,label\na,train,cat\nb,test,dog\n"


def noted(path: Path) -> tuple[list[str], bool]:
    """The notes on a manifest, and whether it was read."""
    notes: list[str] = []
    examples = read_manifest(path, "m.csv of head", notes.append)
    return notes, examples is not None


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", 'has no column "id"'),
        (b"\n\n", 'has no column "id"'),
        (b"split,label\ntrain,cat\n", 'has no column "id"'),
        (b"id,label,label\na,cat,dog\n", 'has two columns called "label"'),
        (GOOD + b"\xff\xfe,train,cat\n", "is not a CSV file in UTF-8"),
        (b"i\xffd,label\n", "is not a CSV file in UTF-8 \\(a byte is 0xff\\)"),
        (GOOD.decode().encode("utf-16"), "is not a CSV file in UTF-8"),
        (b"id," + b"x" * 2_000_000, 'has no column "id"|is not a CSV file'),
        (b"id," + ",".join(f"c{i}" for i in range(20_000)).encode(), "has more than 10,000 columns"),
        (b'id,label\n"' + b"x" * 40_000_000, "is not a CSV file"),
        (b"\x00" * 5_000, 'has no column "id"'),
    ],
)
def test_what_cannot_be_read_is_one_note(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes(content)
    notes, was_read = noted(path)
    assert not was_read
    (note,) = notes
    assert note.startswith("m.csv of head ")
    assert note.endswith(", so its data are not compared.")
    assert len(note) < 400
    assert re.search(why, note)


def test_what_is_no_file_is_one_note(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder", "missing"):
        assert noted(tmp_path / name) == (["m.csv of head is not there, so its data are not compared."], False)


def test_too_many_bytes_or_rows_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.csv"
    with path.open("wb") as file:
        file.truncate(manifest.MAX_BYTES + 1)
    assert "is larger than 500 MB" in noted(path)[0][0]
    path.write_bytes(GOOD)
    monkeypatch.setattr(manifest, "MAX_ROWS", 1)
    assert "has more than 1 rows" in noted(path)[0][0]


def test_rows_that_do_not_fit_and_repeated_ids_are_left_out_and_noted(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes(GOOD + b"c,train\nd,train,cat,dog\na,test,dog\na,test,dog\n\ne,train,cat\n")
    notes: list[str] = []
    examples = read_manifest(path, "m.csv of head", notes.append)
    assert examples is not None
    assert examples.ids.to_pylist() == ["a", "b", "e"]
    assert examples.labels.to_pylist() == ["cat", "dog", "cat"]
    assert notes == [
        "m.csv of head has 2 rows with another number of cells than the header; they are left out.",
        "m.csv of head names 2 examples by an id that another one has; they are left out.",
    ]


def test_columns_go_by_what_people_call_them(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes(b"\xef\xbb\xbffilename,subset,class,md5,width,patient_id,group,note\nx.jpg,train,cat,0,5,7,1,\n")
    notes: list[str] = []
    examples = read_manifest(path, "m", notes.append)
    assert examples is not None
    assert not notes
    columns = (examples.ids, examples.splits, examples.labels, examples.digests)
    assert [column.to_pylist() for column in columns] == [["x.jpg"], ["train"], ["cat"], ["0"]]
    assert {name: values.tolist() for name, values in examples.numbers.items()} == {"width": [5.0]}


def test_a_line_break_in_a_cell_may_lie_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "_BLOCK_BYTES", 256)
    path = tmp_path / "m.csv"
    path.write_bytes(b"id,label\n" + b"".join(b'%d,"one\nor two"\n' % n for n in range(500)))
    notes: list[str] = []
    examples = read_manifest(path, "m", notes.append)
    assert not notes
    assert examples is not None
    assert examples.ids.to_pylist() == [str(n) for n in range(500)]
    assert set(examples.labels.to_pylist()) == {"one\nor two"}


def test_digits_are_texts_and_only_whole_columns_of_numbers_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes(b"id,label,width,height,note,void\n007,01,3,nan,1,\n8,1,,4.5,x,\n")
    examples = read_manifest(path, "m", print)
    assert examples is not None
    assert examples.ids.to_pylist() == ["007", "8"]
    assert examples.labels.to_pylist() == ["01", "1"]
    assert sorted(examples.numbers) == ["height", "width"]
    assert examples.numbers["height"][1] == 4.5


@given(st.binary(max_size=300))
def test_any_bytes_are_compared_or_noted(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "m.csv"
    notes: list[str] = []
    for head in (content, GOOD + content):
        path.write_bytes(head)
        found = manifest_difference("x", "m.csv", None, path, notes.append)
        if found is None:
            assert notes
        else:
            assert DataDifference.model_validate_json(found.model_dump_json()) == found

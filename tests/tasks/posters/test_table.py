from __future__ import annotations

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.common.data.csv_table import Row
from tasks.common.stage.errors import TaskError
from tasks.posters.prepare.table import Listed, _read_row, read_table

COLUMNS = ("Comedy", "Drama", "N/A")
HEADER = ("Id", "Genre", *COLUMNS)


def write(tmp_path, rows, header=HEADER):
    path = tmp_path / "train.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def test_usable_rows_are_read_in_the_order_of_the_columns(tmp_path):
    path = write(tmp_path, [("tt1", "['Drama', 'Comedy']", 1, 1, 0), ("tt2", "['Drama', 'N/A']", 0, 1, 1)])
    listed, set_aside = read_table(path, ["N/A"])
    assert listed == [Listed(2, "tt1", ("Comedy", "Drama")), Listed(3, "tt2", ("Drama",))]
    assert listed[0].image == "Images/tt1.jpg"
    assert set_aside == []


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("tt9", "['Drama']", 0, 1), "has 4 cells instead of 5"),
        (("../../etc/passwd", "['Drama']", 0, 1, 0), "its Id '../../etc/passwd' is not 1 to 64 letters"),
        (("", "['Drama']", 0, 1, 0), "its Id '' is not"),
        (("tt9", "Drama", 0, 1, 0), "its Genre 'Drama' is no list such as"),
        (("tt9", "[__import__('os')]", 0, 1, 0), "is no list such as"),
        (("tt9", "['Drama', 'Opera']", 0, 1, 0), "its Genre names 'Opera', which has no column"),
        (("tt9", "['Drama']", 0, 2, 0), "its column 'Drama' is '2', neither 0 nor 1"),
        (("tt9", "['Drama']", 0, "", 0), "its column 'Drama' is '', neither 0 nor 1"),
        (("tt9", "['Drama']", 1, 1, 0), "its Genre and its column 'Comedy' disagree"),
        (("tt9", "['Drama']", 0, 0, 0), "its Genre and its column 'Drama' disagree"),
        (("tt9", "[]", 0, 0, 0), "has no genre"),
        (("tt9", "['N/A']", 0, 0, 1), "has no genre"),
        (("tt1", "['Comedy']", 1, 0, 0), "has the id of line 2"),
        (("tt1", "['Drama']", 0, 1, 0), "has the id of line 2 with other genres"),
    ],
)
def test_an_unusable_row_is_set_aside_with_its_line_and_reason(tmp_path, row, reason):
    listed, set_aside = read_table(write(tmp_path, [("tt1", "['Comedy']", 1, 0, 0), row]), ["N/A"])
    assert [entry.id for entry in listed] == ["tt1"]
    assert [entry.source for entry in set_aside] == ["train.csv line 3"]
    assert reason in set_aside[0].reason


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (("id", "Genre", "Drama"), 'column 1 must be called "Id"'),
        (("Id", "Drama", "Comedy"), 'column 2 must be called "Genre"'),
        (("Id", "Genre"), "has no column after Id and Genre"),
        (("Id", "Genre", "Drama|Comedy"), "rename the genre"),
        (("Id", "Genre", "Drama", "Drama"), 'two columns are called "Drama"'),
        (("Id", "Genre", "Drama"), 'has no column "N/A", which ignore_genres'),
    ],
)
def test_another_table_is_one_sentence(tmp_path, header, said):
    with pytest.raises(TaskError) as error:
        read_table(write(tmp_path, [], header), ["N/A"])
    assert said in str(error.value)
    assert str(tmp_path / "train.csv") in str(error.value)


@given(st.tuples(*[st.one_of(st.text(max_size=30), st.sampled_from(["0", "1", "tt1", "['Drama']"]), st.none())] * 5))
def test_whatever_a_row_holds_it_is_usable_or_has_a_reason(cells):
    found = _read_row(Row(2, cells), COLUMNS, ["N/A"])
    if isinstance(found, Listed):
        assert found.genres
        assert set(found.genres) <= {"Comedy", "Drama"}
        assert "/" not in found.id
    else:
        assert found
        assert len(found) < 200


@given(st.sets(st.sampled_from(COLUMNS), min_size=1))
def test_every_row_as_python_prints_it_is_usable(genres):
    cells = ("tt1", str(sorted(genres)), *("1" if name in genres else "0" for name in COLUMNS))
    found = _read_row(Row(2, cells), COLUMNS, [])
    assert isinstance(found, Listed)
    assert set(found.genres) == genres

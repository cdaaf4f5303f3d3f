from __future__ import annotations

import csv
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.common.data.csv_table import numeric_share, parse_number, read_csv
from tasks.common.stage.errors import TaskError

cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r"), max_size=8)


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=8))
def test_what_csv_writes_is_what_is_read(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("csv") / "table.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("a", "b"), *rows])
    table = read_csv(path, [""])
    assert [row.cells for row in table.rows] == [tuple(cell.strip() or None for cell in row) for row in rows]
    assert table.rejected == ()


def test_rows_of_another_length_are_set_aside_with_their_line(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text('a,b\n1,2\n3\n\n"two\nlines",5\n6,7,8\n')
    table = read_csv(path, [])
    assert [(row.line, row.cells) for row in table.rows] == [(2, ("1", "2")), (6, ("two\nlines", "5"))]
    assert [(r.line, r.reason) for r in table.rejected] == [
        (3, "has 1 cells instead of 2"),
        (7, "has 3 cells instead of 2"),
    ]


def test_missing_words_count_whatever_their_case(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,b\nna, NaN \n?,x\n")
    assert [row.cells for row in read_csv(path, ["NA", "nan"]).rows] == [(None, None), ("?", "x")]


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(b"\xef\xbb\xbfa,b\n1,2\n")
    assert read_csv(path, []).columns == ("a", "b")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "has 0 columns"),
        (b"a;b\n1;2\n", "separated by commas"),
        (b"a,,b\n", "column 2 has no name"),
        (b"a,b,a\n", 'two columns are called "a"'),
        (b"a,b\n\xff,1\n", "not UTF-8"),
        (b'a,b\n1,"2"x\n', "line 2"),
    ],
)
def test_what_is_no_table_is_one_sentence_with_the_path(tmp_path, content, words):
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(TaskError, match=r"table\.csv") as caught:
        read_csv(path, [])
    assert words in str(caught.value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_is_read_exactly(value):
    assert parse_number(repr(value)) == value


@given(st.text(max_size=8))
def test_only_finite_numbers_are_numbers(text):
    value = parse_number(text)
    assert value is None or (math.isfinite(value) and text.isascii() and "_" not in text and text == text.strip())


@pytest.mark.parametrize("text", ["nan", "inf", "-infinity", "1_000", "1e999", "٣", "", "1,5", "0x10"])
def test_what_python_or_people_may_take_for_a_number_is_none(text):
    assert parse_number(text) is None


def test_the_share_of_numbers_is_of_the_cells_present():
    assert numeric_share(["1", None, "x", "2"]) == 2 / 3
    assert numeric_share([None]) == 0

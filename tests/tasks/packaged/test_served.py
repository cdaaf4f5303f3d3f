"""Tables in and out: base64, endings, numbers and missing values."""

from __future__ import annotations

import base64
import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.common.data.csv_table import parse_number
from tasks.common.inference.result import Endpoint, Inferred
from tasks.common.inference.served import Served, as_table, decode, ending_of


@given(st.binary(min_size=1))
def test_base64_comes_back_as_it_was(content):
    assert decode(base64.b64encode(content).decode()) == content


@given(st.one_of(st.none(), st.integers(), st.floats(), st.binary(), st.text()))
def test_anything_else_is_none_or_bytes(cell):
    found = decode(cell)
    assert found is None or (isinstance(cell, str) and base64.b64encode(found).decode() == cell)


@pytest.mark.parametrize("cell", ["", "no base64!", "YQ", "YQ==\n", None, 5, float("nan"), b"YQ=="])
def test_what_is_no_base64_is_none(cell):
    assert decode(cell) is None


@pytest.mark.parametrize(
    ("content", "ending"),
    [
        (b"\x1f\x8b\x08 gzip", ".nii.gz"),
        (b"ObjectType = Image\nNDims = 3\n", ".mha"),
        (b"NDims = 3\nElementDataFile = LOCAL\n\x00", ".mha"),
        (b"\x93NUMPY\x01\x00", ".npy"),
        (b"\x89PNG\r\n", ".file"),
        (b"\xff\xd8\xff\xe0 JPEG", ".file"),
        (b"", ".file"),
    ],
)
def test_a_file_gets_the_ending_of_its_content(content, ending):
    assert ending_of(content) == ending


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_a_number_of_a_row_is_the_same_number_when_it_is_read(numbers):
    table = as_table(pd.DataFrame({"x": numbers}))
    assert [parse_number(row.cells[0] or "") for row in table.rows] == numbers
    assert table.columns == ("x",)


def test_what_is_missing_is_missing_whatever_it_is_called():
    frame = pd.DataFrame({"x": [1.5, math.nan], "y": pd.Series(["a", None], dtype=object), "z": pd.array([None, 3])})
    assert [row.cells for row in as_table(frame).rows] == [("1.5", "a", None), (None, None, "3.0")]


def test_every_answer_has_every_column(finished):
    """Also where all rows have problems, so that those who read the answers find what MLmodel promises."""

    class Task:
        ENDPOINT = Endpoint(files="image")

        @staticmethod
        def load(paths):
            return lambda files, out: [
                Inferred(str(file), {"0": 1.0}, ("0",)) if file.read_bytes() == b"good" else
                Inferred(str(file), {}, (), problem="is bad") for file in files
            ]  # fmt: skip

    served = Served(Task, finished["torch"])
    columns = ["prediction", "problem", *(f"score:{digit}" for digit in range(10))]
    good, bad = (base64.b64encode(content).decode() for content in (b"good", b"bad"))
    for cells in ([good, bad, "?"], ["?"], [], [bad]):
        answers = served.predict(pd.DataFrame({"image": cells}))
        assert list(answers.columns) == columns
        assert len(answers) == len(cells)
    answers = served.predict(pd.DataFrame({"image": ["?", good, bad]})).to_dict("records")
    assert [answer["problem"] for answer in answers if isinstance(answer["problem"], str)] == [
        "is not a file in base64",
        "is bad",
    ]
    assert [answer["prediction"] for answer in answers][1] == "0"
    assert answers[1]["score:0"] == 1.0

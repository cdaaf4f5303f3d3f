"""What a server has confirmed is known after any interruption, of each server for itself, and without its password."""

from __future__ import annotations

from pathlib import Path

import pytest

from pawl.tracking.cursor import Cursor, cursor_of

URI = "https://mlflow.example.com"


def test_it_is_written_at_once_and_belongs_to_one_server(tmp_path: Path) -> None:
    cursor = cursor_of(tmp_path, URI)
    cursor.set(sent=7, runs={"a": "b"})
    assert cursor_of(tmp_path, URI).value == Cursor(sent=7, runs={"a": "b"})
    cursor.set(sent=9)
    assert cursor_of(tmp_path, URI).value == Cursor(sent=9, runs={"a": "b"})
    assert cursor_of(tmp_path, "https://other.example.com").value == Cursor()


def test_another_password_is_the_same_server_and_no_password_is_written(tmp_path: Path) -> None:
    cursor_of(tmp_path, "https://somebody:s3cret@mlflow.example.com").set(sent=7)
    assert cursor_of(tmp_path, "https://somebody:other@mlflow.example.com").value.offset == 7
    [file] = tmp_path.iterdir()
    assert "s3cret" not in file.name + file.read_text()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"offset": -1}', '{"offset": 1, "more": 2}', '{"state": "x"}'])
def test_one_that_is_not_readable_begins_anew(tmp_path: Path, content: str) -> None:
    cursor_of(tmp_path, URI).set(sent=7)
    [file] = tmp_path.iterdir()
    file.write_text(content)
    assert cursor_of(tmp_path, URI).value == Cursor()


def test_a_disk_that_takes_nothing_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("in the way")
    cursor = cursor_of(tmp_path / "spool", URI)
    cursor.set(sent=7)
    assert cursor.value.offset == 7

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import new_file, new_folder, read_json, write_json


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fill(path: Path, name: str, error: BaseException) -> None:
    with new_folder(path) as folder:
        (folder / name).touch()
        raise error


def write(path: Path, text: str, error: BaseException) -> None:
    with new_file(path) as partial:
        partial.write_text(text)
        raise error


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "deep" / "out"
    for name in ("old", "new"):
        with new_folder(path) as folder:
            (folder / name).write_text(name)
    assert names(path) == ["new"]
    assert names(path.parent) == ["out"]


def test_a_folder_that_fails_leaves_the_old_one_and_no_rest(tmp_path):
    with new_folder(tmp_path / "out") as folder:
        (folder / "old").touch()
    with pytest.raises(OSError, match="full"):
        fill(tmp_path / "out", "half", OSError("full"))
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["old"]


def test_a_file_that_fails_leaves_the_old_one_and_no_rest(tmp_path):
    write_json(tmp_path / "a.json", {"old": 1})
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"new": float("nan")})
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "a.json", "half", KeyboardInterrupt())
    assert names(tmp_path) == ["a.json"]
    assert read_json(tmp_path / "a.json", "train") == {"old": 1}


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_link_into_a_cache_is_replaced_and_not_written_through(tmp_path, link):
    cached = tmp_path / "cached"
    cached.write_text("kept")
    link(cached, tmp_path / "out.json")
    write_json(tmp_path / "out.json", {})
    assert cached.read_text() == "kept"
    assert not (tmp_path / "out.json").is_symlink()


@pytest.mark.parametrize("content", [None, "{", "\xff"])
def test_json_that_is_missing_or_broken_names_the_stage_to_run(tmp_path, content):
    if content is not None:
        (tmp_path / "a.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(TaskError, match=r"a\.json .*run the stage train"):
        read_json(tmp_path / "a.json", "train")

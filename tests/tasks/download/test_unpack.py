from __future__ import annotations

import stat
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from tasks.common.stage.errors import TaskError
from tasks.download import unpack as module
from tasks.download.unpack import unpack


def archive(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def test_files_and_folders_are_written_as_they_are(tmp_path, folder):
    files = {"a.csv": b"1", "images/b.png": b"2" * 5000, "images/empty/": b""}
    assert unpack(archive(tmp_path / "z.zip", files), folder, "unpack") == 2
    assert {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()} == {
        "a.csv": b"1",
        "images/b.png": b"2" * 5000,
    }


@pytest.mark.parametrize("name", ["../up", "/etc/cron.d/x", "a/../../up", "a\\..\\up", "a\nb", "./a"])
def test_names_that_lead_elsewhere_are_refused_before_anything_is_written(tmp_path, folder, name):
    path = archive(tmp_path / "z.zip", {"fine": b"1", name: b"2"})
    with pytest.raises(TaskError, match="is no name for a file"):
        unpack(path, folder, "unpack")
    assert list(folder.iterdir()) == []
    assert not (tmp_path / "up").exists()


def test_links_are_refused(tmp_path, folder):
    path = tmp_path / "z.zip"
    with zipfile.ZipFile(path, "w") as opened:
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        opened.writestr(link, "/etc")
        opened.writestr("link/passwd", "x")
    with pytest.raises(TaskError, match="is a link"):
        unpack(path, folder, "unpack")


def test_two_files_of_one_name_are_refused(tmp_path, folder):
    with pytest.raises(TaskError, match="two files are called"):
        unpack(archive(tmp_path / "z.zip", {"a.png": b"1", "A.png": b"2"}), folder, "unpack")


def test_a_file_that_swells_is_refused(tmp_path, folder, monkeypatch):
    monkeypatch.setattr(module, "MIN_SUSPECT_BYTES", 1000)
    with pytest.raises(TaskError, match="larger than its content can be"):
        unpack(archive(tmp_path / "z.zip", {"bomb": bytes(1_000_000)}), folder, "unpack")


@pytest.mark.parametrize("limit", ["MAX_FILES", "MAX_BYTES"])
def test_too_much_of_anything_is_refused(tmp_path, folder, monkeypatch, limit):
    monkeypatch.setattr(module, limit, 1)
    with pytest.raises(TaskError, match="no data set of ours"):
        unpack(archive(tmp_path / "z.zip", {"a": b"11", "b": b"22"}), folder, "unpack")


def test_a_full_disk_is_told_beforehand(tmp_path, folder, monkeypatch):
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: SimpleNamespace(free=3))
    with pytest.raises(TaskError, match="make room first"):
        unpack(archive(tmp_path / "z.zip", {"a": b"1234"}), folder, "unpack")


@pytest.mark.parametrize("damage", ["content", "cut", "no zip", "encrypted"])
def test_a_damaged_archive_is_one_sentence(tmp_path, folder, damage):
    path = archive(tmp_path / "z.zip", {"a": b"some content that is long enough"})
    content = bytearray(path.read_bytes())
    if damage == "content":
        content[40] ^= 0xFF
    elif damage == "cut":
        del content[-30:]
    elif damage == "no zip":
        content = bytearray(b"<html>")
    else:
        content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(content))
    with pytest.raises(TaskError, match=r"z\.zip"):
        unpack(path, folder, "unpack")

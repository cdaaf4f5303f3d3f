"""Listings that DVC keeps of folders, read without the files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pawl.compare.data.listing import digests_by_path, listing_of
from pawl.pipeline.project import Project, open_project
from tests.support.repositories import commit, dvc, make_repository

SPREAD = """
import pathlib
for name, text in (("train/cat/1.txt", "one"), ("test/dog/2.txt", "two")):
    path = pathlib.Path("made") / name
    path.parent.mkdir(parents=True)
    path.write_text(text)
"""
PIPELINE = """
stages:
  spread:
    cmd: python spread.py
    deps: [spread.py]
    outs: [made]
"""
ONE, TWO = "f97c5d29941bfb1b2fdab0874906ab82", "b8a9f715dbb64fd5c56e7783c6820a61"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A folder made by a stage, and one and a file that `.dvc` files track; of all the files are gone."""
    root = make_repository(tmp_path_factory.mktemp("listing") / "r", {"dvc.yaml": PIPELINE, "spread.py": SPREAD})
    (root / "raw").mkdir()
    (root / "raw" / "1.txt").write_text("one")
    (root / "table.csv").write_text("two")
    dvc(root, "add", "raw", "table.csv")
    dvc(root, "repro")
    commit(root, "Data")
    for name in ("raw", "made"):
        shutil.rmtree(root / name)
    (root / "table.csv").unlink()
    return open_project(root)


def test_outputs_of_stages_and_tracked_data_are_listed_without_their_files(project: Project) -> None:
    assert listing_of(project, "made") == {"train/cat/1.txt": ONE, "test/dog/2.txt": TWO}
    assert listing_of(project, "raw") == {"1.txt": ONE}
    assert listing_of(project, "table.csv") == {"table.csv": TWO}


def test_a_part_of_a_folder_has_its_own_listing(project: Project) -> None:
    assert listing_of(project, "made/train") == {"cat/1.txt": ONE}
    assert listing_of(project, "made/train/cat/1.txt") == {"1.txt": ONE}
    assert listing_of(project, "made/tr") is None


def test_what_nobody_tracks_has_no_listing(project: Project) -> None:
    assert listing_of(project, "spread.py") is None
    assert listing_of(project, "../elsewhere") is None


def test_a_listing_that_was_tampered_with_or_is_gone_is_none(project: Project, tmp_path: Path) -> None:
    root = shutil.copytree(project.root, tmp_path / "copy", symlinks=True)
    (listing,) = [path for path in (root / ".dvc/cache").rglob("*.dir") if "train" in path.read_text()]
    listing.chmod(0o644)
    listing.write_text(listing.read_text().replace(ONE, TWO))
    assert listing_of(open_project(root), "made") is None
    listing.unlink()
    assert listing_of(open_project(root), "made") is None
    assert listing_of(open_project(root), "raw") == {"1.txt": ONE}


@pytest.mark.parametrize(
    "entries",
    [{}, "x", [1], [{}], [{"relpath": 1, "md5": "a"}], [{"relpath": "a"}], [{"relpath": "a", "md5": 3}], None],
)
def test_what_is_no_listing_is_none(entries: object) -> None:
    assert digests_by_path(entries) is None

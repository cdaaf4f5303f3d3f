from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tasks.common.data.manifest import read_manifest
from tasks.common.data.shards import open_shard
from tasks.common.stage.errors import TaskError
from tasks.common.stage.paths import TaskPaths
from tasks.common.stage.run import run_stage
from tasks.retinopathy.prepare.layout import find_photographs
from tasks.retinopathy.prepare.photograph import Framing, frame

Rows = list[tuple[str, ...]]


def photograph(number: int, size: tuple[int, int] = (60, 40), mode: str = "RGB") -> bytes:
    """A PNG with a bright disk, of a colour of its own, on black."""
    rng = np.random.default_rng(number)
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    down, across = np.ogrid[: size[1], : size[0]]
    disk = (down - size[1] / 2) ** 2 + (across - size[0] / 2) ** 2 < (min(size) / 2.5) ** 2
    pixels[disk] = rng.integers(60, 255, (int(disk.sum()), 3))
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, "PNG")
    return file.getvalue()


def rows(n: int = 60) -> Rows:
    return [(f"eye{number}", str(number % 5)) for number in range(n)]


@pytest.fixture
def raw(tiny: Callable[..., TaskPaths]) -> Callable[..., TaskPaths]:
    """A function that lays out raw data: rows to a table, and files by their relative name."""

    def make(table: Rows, files: dict[str, bytes], name: str = "train.csv", **changes: Any) -> TaskPaths:
        paths = tiny(changes)
        header = ("id_code", "diagnosis", "split")[: max(map(len, table), default=2)]
        paths.raw.mkdir(parents=True)
        (paths.raw / name).write_text("".join(",".join(row) + "\n" for row in (header, *table)))
        (paths.raw / "source.json").write_text('{"name": "a test"}')
        for relative, content in files.items():
            (paths.raw / relative).parent.mkdir(parents=True, exist_ok=True)
            (paths.raw / relative).write_bytes(content)
        return paths

    return make


def original(table: Rows) -> dict[str, bytes]:
    return {f"train_images/{row[0]}.png": photograph(number) for number, row in enumerate(table)}


def prepare(paths: TaskPaths) -> dict[str, Any]:
    run_stage("prepare", "retinopathy", paths.root)
    return json.loads((paths.prepared / "data_report.json").read_text())


def test_the_layout_of_the_competition_becomes_packed_splits(raw):
    table = rows()
    paths = raw(table, original(table))
    report = prepare(paths)
    examples = read_manifest(paths.prepared)
    assert {e.source: e.label for e in examples} == {f"train_images/{name}.png": grade for name, grade in table}
    assert {split: report[split] for split in ("train", "validation", "test")} == {
        "train": 35, "validation": 10, "test": 15}  # fmt: skip
    framing = Framing(image_size=32, square="pad", black_level=16)
    for split in ("train", "validation", "test"):
        shard = open_shard(paths.prepared, "photographs", split)
        for pixels, example in zip(shard, [e for e in examples if e.split == split], strict=True):
            with Image.open(paths.raw / example.source) as image:
                assert np.array_equal(pixels, frame(image, framing))
    assert not (paths.prepared / "decoded.npy").exists()


def test_the_split_of_an_annotated_version_is_kept(raw):
    table = [(name, grade, "validation" if number % 4 == 0 else "train") for number, (name, grade) in enumerate(rows())]
    files = {f"{split}/{name}.png": photograph(number) for number, (name, _, split) in enumerate(table)}
    paths = raw(table, files, "annotations.csv")
    report = prepare(paths)
    assert report["split_given"] is True
    given = {f"{split}/{name}.png": split for name, _, split in table}
    examples = read_manifest(paths.prepared)
    assert {e.source for e in examples if e.split == "validation"} == {s for s, v in given.items() if v == "validation"}
    test = {e.source for e in examples if e.split == "test"}
    assert test
    assert all(given[source] == "train" for source in test)


def test_folders_alone_can_say_the_split(raw):
    table = rows()
    folder = {name: ("train", "val", "test")[number // 5 % 3] for number, (name, _) in enumerate(table)}
    files = {f"{folder[name]}/{name}.png": photograph(number) for number, (name, _) in enumerate(table)}
    paths = raw(table, files, "annotations.csv")
    prepare(paths)
    home = {"train": "train", "val": "validation", "test": "test"}
    assert all(e.split == home[e.source.partition("/")[0]] for e in read_manifest(paths.prepared))


def test_the_same_image_in_two_given_splits_is_kept_in_one(raw):
    table = [
        (name, grade, ("train", "validation", "test")[number // 5 % 3]) for number, (name, grade) in enumerate(rows())
    ]
    files = {f"{split}/{name}.png": photograph(number) for number, (name, _, split) in enumerate(table)}
    files["train/eye0.png"] = files["test/eye10.png"]
    files["validation/eye5.png"] = files["test/eye10.png"]
    paths = raw(table, files, "annotations.csv")
    assert prepare(paths)["set_aside_because"] == [
        {"source": "train/eye0.png", "reason": "is the same image as test/eye10.png, in another split"},
        {"source": "validation/eye5.png", "reason": "is the same image as test/eye10.png, in another split"},
    ]
    assert {e.source for e in read_manifest(paths.prepared)} == set(files) - {"train/eye0.png", "validation/eye5.png"}


def test_what_cannot_be_used_is_set_aside_with_place_and_reason(raw):
    table = [*rows(), ("../train", "1"), ("/etc/passwd", "1"), ("gone", "1"), ("eye3", "3"), ("eye4", "1"),
             ("x", "5"), ("x", "-1"), ("x", "1.0"), ("x", "")]  # fmt: skip
    files = original(rows()) | {
        "train_images/eye10.png": photograph(10)[:200],
        "train_images/eye11.png": b"",
        "train_images/eye12.png": b"GIF89a",
        "train_images/eye13.png": photograph(13, mode="L"),
        "train_images/eye14.png": photograph(14, mode="RGBA"),
        "train_images/eye15.png": photograph(0, (1, 1)),
        "train_images/nobody.png": photograph(99),
    }
    paths = raw(table, files, **{"prepare.max_rejected_share": 0.5})
    report = prepare(paths)
    reasons = {entry["source"]: entry["reason"] for entry in report["set_aside_because"]}
    assert report["photographs_without_grade"] == 2  # nobody, and eye4, which has two grades
    assert reasons["train.csv, line 62"] == "the id '../train' cannot be the name of a file"
    assert "cannot be the name" in reasons["train.csv, line 63"]
    assert "there is no file gone" in reasons["train.csv, line 64"]
    assert reasons["train.csv, line 65"] == "the id of line 5 again"
    assert "another grade" in reasons["train.csv, line 6"]
    assert "another grade" in reasons["train.csv, line 66"]
    for line in (67, 68, 69, 70):
        assert "is no whole number from 0 to 4" in reasons[f"train.csv, line {line}"]
    for number, words in enumerate(("truncated", "empty", "not a JPEG or PNG", "channels", "channels", "black"), 10):
        assert words in reasons[f"train_images/eye{number}.png"]
    assert report["examples"] == 60 - 1 - 6
    assert report["set_aside"] == len(reasons) == 16


def test_too_much_that_cannot_be_used_is_an_error(raw):
    table = rows()
    files = original(table) | {f"train_images/eye{number}.png": b"" for number in range(10)}
    with pytest.raises(TaskError, match=r"10 of 60 examples cannot be used, the first is train_images/eye0.png"):
        prepare(raw(table, files))


def test_several_files_of_one_id_are_not_guessed_between(tmp_path):
    (tmp_path / "train_images").mkdir()
    for suffix in ("png", "jpg"):
        (tmp_path / "train_images" / f"a.{suffix}").write_bytes(photograph(1))
    (tmp_path / "train.csv").write_text("id_code,diagnosis\na,0\n")
    found = find_photographs(tmp_path, 5)
    assert not found.photographs
    assert "several files" in found.set_aside[0].reason


@pytest.mark.parametrize(
    ("table", "changes", "words"),
    [
        (rows(), {"prepare.num_classes": 6}, "no photograph has the grade 5"),
        ([(name, "0") for name, _ in rows()], {}, "at least 2 classes"),
        ([], {}, "none of 0 files"),
    ],
)
def test_data_that_nothing_can_be_learnt_from_is_one_sentence(raw, table, changes, words):
    paths = raw(table, original(table), **changes)
    with pytest.raises(TaskError, match=words):
        prepare(paths)
    assert not paths.prepared.exists()


def test_wrong_columns_or_no_table_are_one_sentence(tmp_path):
    with pytest.raises(TaskError, match=r"neither train.csv nor annotations.csv"):
        find_photographs(tmp_path, 5)
    (tmp_path / "train.csv").write_text("id_code,diagnoses\na,0\n")
    with pytest.raises(TaskError, match='no column "diagnosis"; did you mean "diagnoses"'):
        find_photographs(tmp_path, 5)


@pytest.mark.parametrize("square", ["pad", "crop", "stretch"])
def test_the_black_around_an_eye_is_cut_away(square):
    pixels = np.full((50, 90, 3), 3, np.uint8)
    pixels[10:40, 20:60] = 200
    framed = frame(Image.fromarray(pixels), Framing(image_size=24, square=square, black_level=16))
    assert framed.shape == (24, 24, 3)
    lit = framed.max(axis=2) > 100
    assert lit.all() if square != "pad" else lit.mean() == pytest.approx(0.75, abs=0.05)


def test_specks_in_the_black_are_no_eye():
    pixels = np.zeros((200, 200, 3), np.uint8)
    pixels[50:150, 50:150] = 200
    pixels[0, 0] = pixels[199, 199] = 255
    framed = frame(Image.fromarray(pixels), Framing(image_size=50, square="stretch", black_level=16))
    assert (framed > 100).all()


def test_order_of_rows_and_files_changes_no_split(raw, tiny, tmp_path):
    table = rows()
    first = raw(table, original(table))
    prepare(first)
    before = {e.source: e.split for e in read_manifest(first.prepared)}
    shuffled = random.Random(1).sample(table, len(table))
    (first.raw / "train.csv").write_text("id_code,diagnosis\n" + "".join(f"{a},{b}\n" for a, b in shuffled))
    prepare(first)
    assert {e.source: e.split for e in read_manifest(first.prepared)} == before


def test_no_path_leaves_the_raw_folder(tmp_path: Path):
    (tmp_path / "outside.png").write_bytes(photograph(1))
    raw = tmp_path / "raw"
    (raw / "train_images").mkdir(parents=True)
    for name in ("../../outside", "..", ".", "", "a/b", "a\\b", "x" * 200):
        (raw / "train.csv").write_text(f"id_code,diagnosis\n{name},0\n")
        assert not find_photographs(raw, 5).photographs


def test_a_grade_that_a_given_split_lacks_is_named_and_nothing_is_written(raw):
    table = [(name, grade, "validation" if grade != "4" and n % 4 == 0 else "train")
             for n, (name, grade) in enumerate(rows())]  # fmt: skip
    files = {f"{split}/{name}.png": photograph(number) for number, (name, _, split) in enumerate(table)}
    paths = raw(table, files, "annotations.csv")
    with pytest.raises(TaskError, match='the class "4" has no example in the validation split'):
        prepare(paths)
    assert not paths.prepared.exists()

"""Folders in the real set's layout, from the parameter `source` to the splits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.common.data.images import square
from tasks.common.data.manifest import read_manifest
from tasks.common.data.shards import open_shard
from tasks.common.stage.errors import TaskError
from tasks.common.stage.paths import TaskPaths
from tasks.common.stage.run import run_stage
from tests.tasks.checkouts import change_params


def write_photograph(path: Path, number: int, mode: str = "RGB") -> None:
    """A JPEG file of pixels by chance, another for each number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(number).integers(0, 256, (50, 40, 3), np.uint8)
    Image.fromarray(pixels).convert(mode).save(path, "JPEG", quality=95)


def write_layout(folder: Path) -> None:
    """`{train,test}/{Cat,Dog}/<n>.jpg`, as in the set of 25,000: 20 and 6 of each animal."""
    for label, animal in enumerate(("Cat", "Dog")):
        for part, numbers in (("train", range(20)), ("test", range(20, 26))):
            for number in numbers:
                write_photograph(folder / part / animal / f"{number}.jpg", 100 * label + number)


@pytest.fixture
def paths(checkout) -> TaskPaths:
    """A checkout with the photographs as a folder of the repository that nothing pins yet."""
    made: TaskPaths = checkout("pets", {"pets.fetch.source": {"path": "photographs", "sha256": None}})
    write_layout(made.root / "photographs")
    return made


def fetch_pinned(paths: TaskPaths) -> None:
    """fetch, with the digest that the error for a missing one names."""
    with pytest.raises(TaskError, match=r"set this line: sha256: [0-9a-f]{64}$") as caught:
        run_stage("fetch", "pets", paths.root)
    change_params(paths.root, {"pets.fetch.source": {"path": "photographs", "sha256": str(caught.value)[-64:]}})
    run_stage("fetch", "pets", paths.root)


def test_the_real_set_goes_to_its_splits_by_its_source_alone(paths):
    fetch_pinned(paths)
    run_stage("prepare", "pets", paths.root)
    examples = read_manifest(paths.prepared)
    assert {(e.source.split("/")[0], e.split) for e in examples} == {
        ("train", "train"), ("train", "validation"), ("test", "test")}  # fmt: skip
    assert all(e.label == e.source.split("/")[1] for e in examples)
    assert len(examples) == 52
    for split in ("train", "validation", "test"):
        rows = [example for example in examples if example.split == split]
        shard = open_shard(paths.prepared, "images", split)
        for pixels, example in zip(shard, rows, strict=True):
            with Image.open(paths.raw / example.source) as image:
                assert (pixels == square(image, 32, "crop")).all()
    source = json.loads((paths.prepared / "data_report.json").read_text())["source"]
    assert (source["synthetic"], source["path"]) == (False, "photographs")


def test_a_file_of_another_kind_is_set_aside_by_name(paths):
    folder = paths.root / "photographs/train/Cat"
    write_photograph(folder / "grey.jpg", 900, "L")
    write_photograph(folder / "print.jpg", 901, "CMYK")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "gif.jpg").write_bytes(b"GIF89a, whatever its name says")
    fetch_pinned(paths)
    run_stage("prepare", "pets", paths.root)
    report = json.loads((paths.prepared / "data_report.json").read_text())
    assert {entry["source"]: entry["reason"] for entry in report["set_aside_because"]} == {
        "train/Cat/grey.jpg": "has channels of the kind 1, not 3",
        "train/Cat/print.jpg": "has channels of the kind 4 (CMYK), not 3",
        "train/Cat/empty.jpg": "is empty",
        "train/Cat/gif.jpg": "is not a JPEG or PNG image",
    }
    assert report["set_aside"] == 4
    assert json.loads(paths.data_counts.read_text())["set_aside"] == 4


def test_a_class_without_a_usable_file_in_the_test_part_is_one_sentence(paths):
    change_params(paths.root, {"pets.prepare.max_rejected_share": 0.5})
    for path in (paths.root / "photographs/test/Dog").iterdir():
        path.write_bytes(b"damaged")
    fetch_pinned(paths)
    with pytest.raises(TaskError, match='the class "Dog" has no example in the test split'):
        run_stage("prepare", "pets", paths.root)
    assert not paths.prepared.exists()


def test_more_damaged_files_than_allowed_are_one_sentence(paths):
    for number in range(8):
        (paths.root / f"photographs/train/Dog/{number}.jpg").write_bytes(b"damaged")
    fetch_pinned(paths)
    with pytest.raises(TaskError, match=r"8 of 52 examples cannot be used, the first is train/Dog/0.jpg"):
        run_stage("prepare", "pets", paths.root)

"""Raw images and labels that nothing can be learnt from."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.common.data.manifest import read_manifest
from tasks.common.stage.errors import TaskError
from tasks.common.stage.paths import TaskPaths
from tasks.common.stage.run import run_stage


@pytest.fixture
def paths(checkout) -> TaskPaths:
    made: TaskPaths = checkout("digits", {"digits.prepare.max_rejected_share": 0.5})
    made.raw.mkdir(parents=True)
    (made.raw / "source.json").write_text('{"name": "a test"}')
    return made


def images_of(count: int) -> np.ndarray:
    """As many images (N, 8, 8), each another."""
    return np.random.default_rng(0).integers(0, 17, (count, 8, 8), np.uint8)


def write(paths: TaskPaths, images: np.ndarray, labels: np.ndarray) -> None:
    np.save(paths.raw / "images.npy", images)
    np.save(paths.raw / "labels.npy", labels)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.zeros(40, int), "at least 2 classes, but there is 1"),
        (np.array([0] * 40 + [7, 7]), 'the class "7" has no example in the'),
        (np.full(40, 10), "40 of 40 examples cannot be used, the first is image 0"),
        (np.zeros(0, int), "at least 2 classes, but there is 0"),
    ],
)
def test_labels_that_nothing_can_be_learnt_from_are_one_sentence(paths, labels, words):
    write(paths, images_of(len(labels)), labels)
    with pytest.raises(TaskError, match=words):
        run_stage("prepare", "digits", paths.root)
    assert not paths.prepared.exists()


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (np.zeros((40, 8, 9), np.uint8), np.arange(40)),
        (np.zeros((40, 8, 8, 3), np.uint8), np.arange(40)),
        (np.full((40, 8, 8), np.nan), np.arange(40)),
        (np.zeros((39, 8, 8), np.uint8), np.arange(40)),
        (np.zeros((40, 8, 8), np.uint8), np.zeros((40, 2))),
    ],
)
def test_arrays_of_another_form_are_one_sentence(paths, images, labels):
    write(paths, images, labels)
    with pytest.raises(TaskError, match="one label for each 8 x 8 image of bytes"):
        run_stage("prepare", "digits", paths.root)


def test_the_same_image_is_never_in_two_splits(paths):
    images, labels = images_of(40), np.arange(40) % 4
    write(paths, np.concatenate([images, images]), np.concatenate([labels, labels]))
    run_stage("prepare", "digits", paths.root)
    examples = read_manifest(paths.prepared)
    assert len(examples) == 80
    homes: dict[str, set[str]] = {}
    for example in examples:
        homes.setdefault(example.digest, set()).add(example.split)
    assert len(homes) == 40
    assert all(len(splits) == 1 for splits in homes.values())

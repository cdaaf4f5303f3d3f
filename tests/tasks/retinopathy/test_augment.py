from __future__ import annotations

import numpy as np
import pytest

from tasks.retinopathy.train.augment import Augmentation, augment

NOTHING = Augmentation(flip=False, rotation_degrees=0.0, brightness=0.0, contrast=0.0)
IMAGES = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)


def changed(seed: int = 0, **settings: float) -> np.ndarray:
    return augment(IMAGES, NOTHING.model_copy(update=settings), np.random.default_rng(seed))


def test_without_any_change_images_stay_as_they_are():
    assert np.array_equal(changed(), IMAGES)


@pytest.mark.parametrize(
    "setting", [{"flip": True}, {"rotation_degrees": 90.0}, {"brightness": 0.2}, {"contrast": 0.5}]
)
def test_each_change_changes_and_follows_its_seed(setting):
    before = IMAGES.copy()
    assert not np.array_equal(changed(**setting), IMAGES)
    assert np.array_equal(changed(**setting), changed(**setting))
    assert not np.array_equal(changed(0, **setting), changed(1, **setting))
    assert np.array_equal(IMAGES, before)


def test_flips_only_move_pixels():
    for flipped, original in zip(changed(flip=True), IMAGES, strict=True):
        ways = [original, original[::-1], original[:, ::-1], original[::-1, ::-1]]
        assert any(np.array_equal(flipped, way) for way in ways)


def test_brightness_moves_every_pixel_alike():
    grey = np.full((4, 8, 8, 3), 100, np.uint8)
    lit = augment(grey, NOTHING.model_copy(update={"brightness": 0.1}), np.random.default_rng(0))
    assert all(len(np.unique(image)) == 1 for image in lit)
    assert np.abs(lit.astype(int) - 100).max() <= 26

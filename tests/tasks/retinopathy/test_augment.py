from __future__ import annotations

import math

import numpy as np
import pytest

from tasks.retinopathy.model.scoring import normalise
from tasks.retinopathy.train.augment import Augmentation, augment
from tasks.retinopathy.train.run import channel_statistics, cosine_schedule

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


def test_statistics_are_those_of_numpy():
    images = np.random.default_rng(1).integers(0, 256, (150, 5, 7, 3), dtype=np.uint8)
    means, deviations = channel_statistics(images)
    assert means == pytest.approx(images.mean(axis=(0, 1, 2)))
    assert deviations == pytest.approx(images.std(axis=(0, 1, 2)))
    assert channel_statistics(np.zeros((2, 4, 4, 3), np.uint8)) == ([0, 0, 0], [1, 1, 1])


def test_normalised_images_have_mean_0_and_deviation_1_channels_first():
    inputs = normalise(IMAGES, *channel_statistics(IMAGES))
    assert inputs.shape == (6, 3, 16, 16)
    assert inputs.dtype == np.float32
    assert inputs.mean(axis=(0, 2, 3)) == pytest.approx(np.zeros(3), abs=1e-5)
    assert inputs.std(axis=(0, 2, 3)) == pytest.approx(np.ones(3), rel=1e-5)


def test_the_learning_rate_rises_then_falls_to_nearly_nothing():
    rates = [cosine_schedule(0.1, 0.2, 100)(step) for step in range(100)]
    assert max(rates) == pytest.approx(0.1)
    assert rates[:21] == sorted(rates[:21])
    assert rates[20:] == sorted(rates[20:], reverse=True)
    assert 0 < rates[0] < 0.01
    assert 0 < rates[-1] < 0.001
    assert all(math.isfinite(rate) for rate in rates)
    assert cosine_schedule(0.1, 0.0, 1)(0) == pytest.approx(0.1)

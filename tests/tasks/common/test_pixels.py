"""What training does to pixels and with its steps: statistics, normalisation, learning rate."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tasks.common.data.manifest import Example, targets_of
from tasks.common.learning.channels import channel_statistics
from tasks.common.learning.schedule import cosine_schedule
from tasks.common.model.pixels import normalise

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)


def test_statistics_are_those_of_numpy():
    images = np.random.default_rng(1).integers(0, 256, (300, 5, 7, 3), dtype=np.uint8)
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


def test_targets_are_places_among_the_labels_in_the_order_of_the_manifest():
    rows = [("b", "train"), ("a", "test"), ("a", "train"), ("c", "train")]
    examples = [Example(str(n), split, label, str(n), str(n), "") for n, (label, split) in enumerate(rows)]
    assert targets_of(examples, ["a", "b", "c"], "train").tolist() == [1, 0, 2]
    assert targets_of(examples, ["c", "b", "a"], "test").tolist() == [2]
    assert targets_of(examples, ["a", "b", "c"], "validation").dtype == np.int64

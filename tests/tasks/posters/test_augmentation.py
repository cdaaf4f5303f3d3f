"""Turned and scaled posters: by how much, about what, and what comes in from outside."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.posters.prepare.augmentation import AugmentationParams, Change, apply_change, choose_change

LITTLE = AugmentationParams(copies=1, max_rotation_deg=8, min_scale=0.9, max_scale=1.15)


@given(st.text(max_size=8), st.integers(1, 9))
def test_changes_stay_within_their_bounds(name, copy):
    change = choose_change(name, copy, 1, LITTLE)
    assert abs(change.rotation_deg) <= 8
    assert 0.9 <= change.scale <= 1.15


def test_no_change_changes_nothing():
    pixels = np.random.default_rng(0).integers(0, 256, (33, 33, 3), dtype=np.uint8)
    assert (apply_change(pixels, Change(0, 1)) == pixels).all()


def test_a_right_angle_turns_clockwise_by_it_and_back():
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    turned = apply_change(pixels, Change(90, 1)).astype(int)
    assert np.abs(turned - np.rot90(pixels, 1)).max() <= 1 or np.abs(turned - np.rot90(pixels, -1)).max() <= 1
    back = apply_change(turned.astype(np.uint8), Change(-90, 1)).astype(int)
    assert np.abs(back - pixels).max() <= 2


@pytest.mark.parametrize(("scale", "side_of_dot"), [(2.0, 16), (1.0, 8), (0.5, 4)])
def test_a_scale_makes_things_so_many_times_larger(scale, side_of_dot):
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[28:36, 28:36] = 255
    assert (apply_change(pixels, Change(0, scale))[..., 0] > 127).sum() == pytest.approx(side_of_dot**2, rel=0.15)


@given(st.floats(-180, 180), st.floats(0.5, 2))
def test_what_comes_in_from_outside_is_the_edge(rotation_deg, scale):
    assert (apply_change(np.full((24, 24, 3), 200, np.uint8), Change(rotation_deg, scale)) == 200).all()

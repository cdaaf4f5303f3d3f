"""From files that anybody may have written to slices in millimetres."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK
from scipy.spatial.transform import Rotation

from tasks.common.stage.run import run_stage
from tasks.prostate.model.prepared import open_prepared
from tasks.prostate.prepare.grid import Recipe, cut_mask, cut_slices, gland_voxels, paste_slices, target_grid
from tasks.prostate.prepare.growing_array import growing_array
from tests.tasks.prostate.volumes import STUDIES, ball, set_aside, write, write_layout

RECIPE = Recipe(3.0, 1.0, 48, "linear", (0.0, 100.0), "8bit")


def float_volume(volume: SimpleITK.Image) -> SimpleITK.Image:
    return SimpleITK.Cast(volume, SimpleITK.sitkFloat32)


def cut(volume, mask, recipe=RECIPE):
    volume = float_volume(volume)
    grid = target_grid(volume, recipe)
    return cut_slices(volume, grid, recipe), cut_mask(mask, grid)


def test_a_folder_in_the_real_layout_is_prepared(tiny):
    paths = tiny()
    write_layout(paths.raw, STUDIES)
    run_stage("prepare", "prostate", paths.root)
    prepared = open_prepared(paths.prepared)
    assert [example.id for example in prepared.examples] == STUDIES
    assert [example.group for example in prepared.examples] == ["1", "2", "3", "4", "5", "6", "6"]
    assert prepared.images.shape == prepared.masks.shape == (7 * 16, 32, 32)
    volume = prepared.masks[prepared.slices(2)]
    assert volume.sum() == pytest.approx(4 / 3 * np.pi * 12**3 / (3 * 1.5**2), rel=0.05)
    assert json.loads(paths.data_counts.read_text())["examples"] == 7


@pytest.mark.parametrize("nested", [False, True])
def test_without_a_table_volumes_and_masks_are_paired_by_name(tiny, nested):
    paths = tiny({"prepare.max_rejected_share": 0.5})
    write_layout(paths.raw, STUDIES, table=False)
    if nested:  # As in PI-CAI's archives: a folder a patient, and the sequence in the name.
        for path in sorted((paths.raw / "images").iterdir()):
            folder = path.parent / path.name.partition("_")[0]
            folder.mkdir(exist_ok=True)
            path.rename(folder / path.name.replace(".mha", "_t2w.mha"))
    write(ball(seed=50)[0], paths.raw / "images" / "9_9.mha")
    run_stage("prepare", "prostate", paths.root)
    assert [example.id for example in open_prepared(paths.prepared).examples] == STUDIES
    assert set_aside(paths) == {"images/9_9.mha": "has no mask of the same name in masks"}


@pytest.mark.parametrize("orientation", ["RAS", "LPI", "PIL", "ASR", "SAL"])
def test_how_a_file_stores_its_axes_changes_nothing(orientation):
    place = {"centre_mm": (7, -4, 6), "spacing": (0.8, 1.1, 2.5), "size": (61, 51, 21)}
    images, masks = cut(*ball(**place))
    other_images, other_masks = cut(*ball(**place, orientation=orientation))
    assert np.array_equal(masks, other_masks)
    assert np.abs(images.astype(int) - other_images).max() <= 1


def test_slices_are_in_millimetres_with_left_back_and_head_growing():
    for spacing, size in (((0.5, 0.5, 2), (100, 100, 24)), ((1.2, 1.2, 3), (41, 41, 16))):
        _, masks = cut(*ball(10, centre_mm=(8, -5, 6), spacing=spacing, size=size))
        z, y, x = (np.mean(where) for where in np.nonzero(masks))
        middle = ((masks.shape[0] - 1) / 2, 23.5, 23.5)
        assert (x - middle[2], y - middle[1], (z - middle[0]) * 3) == pytest.approx((8, -5, 6), abs=0.6)
        assert masks.sum() * 3 == pytest.approx(4 / 3 * np.pi * 1000, rel=0.05)


def test_a_tilted_scan_keeps_its_own_axes():
    direction = Rotation.from_euler("xz", [10, 5], degrees=True).as_matrix()
    volume, mask = ball(10, centre_mm=direction @ (6, 0, 0), direction=direction)
    _, masks = cut(volume, mask)
    assert np.mean(np.nonzero(masks)[2]) - 23.5 == pytest.approx(6, abs=0.3)
    assert target_grid(volume, RECIPE).GetDirection() == pytest.approx(direction.ravel())


def test_the_crop_does_not_look_at_the_mask_and_counts_what_it_hides(tiny):
    volume, mask = ball(10, centre_mm=(18, 0, 0), size=(64, 48, 16))
    small = Recipe(3.0, 1.0, 32, "linear", (0.0, 100.0), "8bit")
    empty = SimpleITK.Image(mask.GetSize(), SimpleITK.sitkUInt8)
    empty.CopyInformation(mask)
    images, masks = cut(volume, mask, small)
    assert np.array_equal(cut(volume, empty, small)[0], images)
    assert 0 < masks.sum() < 0.6 * gland_voxels(mask, volume, small)
    whole = Recipe(3.0, 1.0, 64, "linear", (0.0, 100.0), "8bit")
    assert gland_voxels(mask, volume, small) == cut(volume, mask, whole)[1].sum()


def test_a_mask_on_the_grid_comes_back_to_the_voxels_it_was_cut_from():
    volume, mask = ball(14, centre_mm=(5, 3, -4), spacing=(0.7, 0.7, 2.2), size=(80, 80, 22), orientation="PIL")
    fine = Recipe(1.0, 0.5, 112, "linear", (0.0, 100.0), "8bit")
    grid = target_grid(volume, fine)
    back = paste_slices(cut_mask(mask, grid), grid, volume) > 0.5
    stored = SimpleITK.GetArrayFromImage(mask) > 0
    assert back.shape == stored.shape
    assert 2 * (back & stored).sum() / (back.sum() + stored.sum()) > 0.97


def test_brightness_is_clipped_at_the_percentiles_of_the_volume():
    volume, mask = ball()
    voxels = SimpleITK.GetArrayFromImage(volume)
    voxels[0, 0, 0] = 30000
    spoiled = SimpleITK.GetImageFromArray(voxels)
    spoiled.CopyInformation(volume)
    clipped = Recipe(3.0, 1.0, 48, "linear", (5.0, 95.0), "8bit")
    difference = np.abs(cut(spoiled, mask, clipped)[0].astype(int) - cut(volume, mask, clipped)[0])
    assert difference[0, 0, 0] > 100
    assert difference.ravel()[1:].max() <= 1
    assert np.median(cut(spoiled, mask)[0]) < 5, "without clipping, one voxel takes all the range"
    images, _ = cut(volume, mask, clipped)
    low, high = np.percentile(SimpleITK.GetArrayFromImage(volume), (5, 95))
    # Voxels and pixels lie on each other here.
    expected = np.round((np.clip(SimpleITK.GetArrayFromImage(volume), low, high) - low) / (high - low) * 255)
    assert np.abs(images - expected).max() <= 1


@pytest.mark.parametrize("interpolation", ["linear", "bspline"])
def test_z_scores_have_mean_0_and_deviation_1(interpolation):
    images, _ = cut(*ball(), Recipe(3.0, 1.0, 48, interpolation, (5.0, 95.0), "zscore"))
    assert images.dtype == np.float32
    assert (images.mean(), images.std()) == pytest.approx((0, 1), abs=0.02)


def test_a_row_array_can_grow(tmp_path):
    rng = np.random.default_rng(0)
    parts = [rng.normal(size=(n, 3, 2)).astype(np.float32) for n in (0, 4, 1000, 1)]
    with growing_array(tmp_path / "a.npy", (3, 2), "float32") as append:
        for part in parts:
            append(part)
    assert np.array_equal(np.load(tmp_path / "a.npy"), np.concatenate(parts))
    np.save(tmp_path / "b.npy", np.concatenate(parts))
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()
    with growing_array(tmp_path / "c.npy", (3, 2), "float32") as append, pytest.raises(ValueError, match="does not go"):
        append(np.zeros((1, 2, 3), np.float32))

"""The builtin patients: the same every time, in many geometries, and not to be outlined by a trivial rule."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import SimpleITK

from tasks.common.stage.files import file_digest
from tasks.prostate.evaluate.baseline import threshold_dice
from tasks.prostate.fetch.anatomy import draw_anatomy, gland_distance
from tasks.prostate.fetch.sample import write_sample
from tasks.prostate.model.prepared import open_prepared


def digests(folder):
    return {p.relative_to(folder): file_digest(p) for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_same_seed_draws_the_same_files_and_more_patients_leave_the_first_alone(tmp_path):
    """About 5 s: nine volumes are drawn."""
    for name, patients, seed in (("one", 2, 1), ("again", 2, 1), ("more", 3, 1), ("other", 2, 2)):
        (tmp_path / name).mkdir()
        write_sample(tmp_path / name, patients, seed)
    one = digests(tmp_path / "one")
    assert digests(tmp_path / "again") == one
    more = digests(tmp_path / "more")
    assert all(more[path] == digest for path, digest in one.items() if path.suffix != ".csv")
    other = digests(tmp_path / "other")
    assert all(other[path] != digest for path, digest in one.items() if path.suffix != ".csv")


def test_the_files_are_in_the_layout_of_pi_cai_and_say_that_nobody_is_in_them(sample):
    rows = list(csv.DictReader((sample.raw / "dataset.csv").open()))
    assert len(rows) > len({row["PatientID"] for row in rows}), "some patients have two studies"
    geometries = set()
    for row in rows:
        volume = SimpleITK.ReadImage(str(sample.raw / row["T2_path"]))
        mask = SimpleITK.ReadImage(str(sample.raw / row["wg_path"]))
        assert row["T2_path"].startswith(f"images/{row['PatientID']}_")
        assert volume.GetSize() == mask.GetSize()
        assert volume.GetPixelID() == SimpleITK.sitkInt16
        millilitres = SimpleITK.GetArrayViewFromImage(mask).sum() * np.prod(volume.GetSpacing()) / 1000
        assert 15 < millilitres < 90
        axes = SimpleITK.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(volume.GetDirection())
        geometries.add((volume.GetSpacing(), axes))
    assert len(geometries) >= 6
    assert json.loads((sample.raw / "source.json").read_text())["synthetic"] is True


def test_no_brightness_tells_the_gland_from_the_rest(sample):
    assert np.mean(threshold_dice(open_prepared(sample.prepared))) < 0.6


def test_the_usual_place_of_the_gland_is_not_enough(sample):
    """The best that can be had without looking at a volume: where the glands of all others mostly are."""
    prepared = open_prepared(sample.prepared)
    side = prepared.masks.shape[1]
    middles = [prepared.masks[prepared.slices(v)] for v in range(len(prepared.volumes))]
    depth = min(len(masks) for masks in middles)
    stack = np.stack([m[(len(m) - depth) // 2 :][:depth] for m in middles]) > 0
    assert stack.shape[1:] == (depth, side, side)
    scores = []
    for volume, truth in enumerate(stack):
        others = np.array([e.group != prepared.examples[volume].group for e in prepared.examples])
        chance = stack[others].mean(axis=0)
        scores.append(max(2 * (truth & g).sum() / (truth.sum() + g.sum()) for g in (chance > t for t in (0.3, 0.5))))
    assert np.mean(scores) < 0.78


@pytest.mark.parametrize("seed", range(5))
def test_the_gland_is_one_body_of_about_its_axes(seed):
    anatomy = draw_anatomy(np.random.default_rng(seed))
    for axis in range(3):
        end = np.zeros(3)
        end[axis] = anatomy.semi_axes_mm[axis]
        for sign in (-1, 1):
            assert 0.75 < gland_distance(sign * end, anatomy) < 1.3
    assert gland_distance(np.zeros(3), anatomy) < 0.01

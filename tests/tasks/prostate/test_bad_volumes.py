"""Studies, files and rows that cannot be used: set aside with a reason, or an error that says what to do."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
import SimpleITK
from scipy.spatial.transform import Rotation

from tasks.common.stage.errors import TaskError
from tasks.common.stage.run import run_stage
from tasks.prostate.model.prepared import open_prepared
from tasks.prostate.prepare.volumes import BadVolumeError, read_mask, read_volume
from tests.tasks.prostate.volumes import STUDIES, ball, set_aside, write, write_layout, write_table


def spoil(paths, kind: str) -> None:
    image, mask = paths.raw / "images" / "2_1.mha", paths.raw / "masks" / "2_1.nii.gz"
    volume, gland = ball(seed=1)
    voxels = SimpleITK.GetArrayFromImage(volume).astype(np.float32)
    if kind == "truncated volume":
        image.write_bytes(image.read_bytes()[:-5000])
    elif kind == "truncated mask":
        mask.write_bytes(mask.read_bytes()[:-40])
    elif kind == "text":
        image.write_text("no volume")
    elif kind == "empty file":
        image.write_bytes(b"")
    elif kind == "another format":
        image.write_bytes(gzip.compress(b"nothing"))
    elif kind in ("nan", "infinite"):
        voxels[3, 3, 3] = np.nan if kind == "nan" else np.inf
        spoiled = SimpleITK.GetImageFromArray(voxels)
        spoiled.CopyInformation(volume)
        write(spoiled, image)
    elif kind == "flat":
        write(SimpleITK.Image(volume.GetSize(), SimpleITK.sitkInt16), image)
    elif kind == "one slice":
        write(volume[:, :, 5], image)
    elif kind == "colour":
        write(SimpleITK.Compose(volume, volume), image)
    elif kind == "another size":
        write(gland[:, :, 1:], mask)
    elif kind == "moved mask":
        gland.SetOrigin((0, 0, 0))
        write(gland, mask)
    elif kind == "turned mask":
        gland.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
        write(gland, mask)
    elif kind == "other labels":
        write(gland * 3, mask)
    elif kind == "empty mask":
        write(gland * 0, mask)
    elif kind == "no mask":
        mask.unlink()
    elif kind == "copy":
        image.write_bytes((paths.raw / "images" / "1_0.mha").read_bytes())
        mask.write_bytes((paths.raw / "masks" / "1_0.nii.gz").read_bytes())
    elif kind == "elsewhere":
        secret = paths.root / "secret.raw"
        secret.write_bytes(bytes(48 * 48 * 16 * 2))
        header = image.read_bytes().partition(b"ElementDataFile")[0]
        image.write_bytes(header + f"ElementDataFile = {secret}\n".encode())


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("truncated volume", "is truncated, damaged or not a .mha file"),
        ("truncated mask", "is truncated, damaged or not a .nii.gz file"),
        ("text", "is truncated, damaged or not a .mha file"),
        ("empty file", "is truncated, damaged or not a .mha file"),
        ("another format", "is truncated, damaged or not a .mha file"),
        ("nan", "has 1 voxels that are not finite numbers"),
        ("infinite", "has 1 voxels that are not finite numbers"),
        ("flat", "is of one brightness"),
        ("one slice", "has 2 dimensions"),
        ("colour", "2 channels"),
        ("another size", "their sizes are 48 x 48 x 16 and 48 x 48 x 15"),
        ("moved mask", "a corner of it is 13.96 mm from the volume's"),
        ("turned mask", "from the volume's"),
        ("other labels", "has a mask with the value 3, which is not among 0, 1"),
        ("empty mask", "has a mask without any gland"),
        ("no mask", "wg_path is 'masks/2_1.nii.gz', which is no file"),
        ("copy", "has the same voxels as the study 1_0"),
        ("elsewhere", "is a header whose voxels are in another file"),
    ],
)
def test_what_cannot_be_used_is_set_aside_with_its_reason(tiny, kind, words):
    paths = tiny({"prepare.max_rejected_share": 0.2})
    write_layout(paths.raw, STUDIES)
    spoil(paths, kind)
    run_stage("prepare", "prostate", paths.root)
    assert [e.id for e in open_prepared(paths.prepared).examples] == [name for name in STUDIES if name != "2_1"]
    assert len(open_prepared(paths.prepared).images) == 6 * 16
    ((source, reason),) = set_aside(paths).items()
    assert source == ("line 3" if kind == "no mask" else "images/2_1.mha")
    assert words in reason


def test_labels_that_are_named_as_gland_are_gland(tmp_path):
    volume, gland = ball()
    write(gland * 2, tmp_path / "mask.nii.gz")
    mask = read_mask(tmp_path / "mask.nii.gz", [1, 2], volume)
    assert np.array_equal(SimpleITK.GetArrayFromImage(mask), SimpleITK.GetArrayFromImage(gland))


def test_rounding_in_a_mask_s_header_is_not_a_mismatch(tmp_path):
    direction = Rotation.from_euler("xyz", [7, 3, 5], degrees=True).as_matrix()
    volume, gland = ball(direction=direction)
    write(gland, tmp_path / "mask.nii.gz")
    assert SimpleITK.ReadImage(str(tmp_path / "mask.nii.gz")).GetDirection() != volume.GetDirection()
    read_mask(tmp_path / "mask.nii.gz", [1], volume)


def test_a_file_that_is_not_there_is_a_reason(tmp_path):
    with pytest.raises(BadVolumeError, match="does not exist"):
        read_volume(tmp_path / "1.mha")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (("7", "../../../params.yaml", "masks/1_0.nii.gz"), "which ends neither in .mha nor in .nii.gz"),
        (("7", "../../../1_0.mha", "masks/1_0.nii.gz"), "outside of the data"),
        (("7", "images/absent.mha", "masks/1_0.nii.gz"), "which is no file"),
        (("1", "images/1_0.mha", "masks/1_0.nii.gz"), "the study 1_0 is listed for the second time"),
        (("", "images/1_0.mha", "masks/1_0.nii.gz"), "PatientID is empty"),
        (("7", "images/1_0.mha"), "has 2 cells instead of 3"),
    ],
)
def test_rows_that_lead_nowhere_are_set_aside_by_their_line(tiny, row, words):
    paths = tiny({"prepare.max_rejected_share": 0.5})
    write_layout(paths.raw, STUDIES)
    rows = [(name.partition("_")[0], f"images/{name}.mha", f"masks/{name}.nii.gz") for name in STUDIES]
    write_table(paths.raw, [*rows, row])
    write(ball()[0], paths.root / "1_0.mha")
    run_stage("prepare", "prostate", paths.root)
    assert list(set_aside(paths)) == ["line 9"]
    assert words in set_aside(paths)["line 9"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "run the stage fetch first"),
        ("PatientID,T2_path\n1,2\n", "has no column 'wg_path'"),
        ("PatientID,T2_path,wg_path\n", "none of 0 studies can be used"),
        ("PatientID,T2_path,wg_path\n1,a.mha,b.nii.gz\n", "none of 1 studies can be used, the first because line 2"),
    ],
)
def test_a_source_without_studies_says_what_is_missing(tiny, content, words):
    paths = tiny()
    paths.raw.mkdir(parents=True)
    if content is not None:
        (paths.raw / "dataset.csv").write_text(content)
    with pytest.raises(TaskError, match=words):
        run_stage("prepare", "prostate", paths.root)
    assert not paths.prepared.exists()


def test_more_unusable_studies_than_allowed_are_an_error(tiny):
    paths = tiny({"prepare.max_rejected_share": 0.1})
    write_layout(paths.raw, STUDIES)
    spoil(paths, "nan")
    with pytest.raises(TaskError, match=r"1 of 7 examples cannot be used, the first is images/2_1.mha"):
        run_stage("prepare", "prostate", paths.root)
    assert not paths.prepared.exists()

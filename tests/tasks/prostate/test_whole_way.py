"""The stages after each other: as params.yaml has them, and tiny ones with everything else than that."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
import SimpleITK
from PIL import Image

from tasks.common.model.card import read_card
from tasks.common.sources.folder import folder_digest
from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import file_digest
from tasks.common.stage.params import read_params
from tasks.common.stage.paths import TaskPaths
from tasks.common.stage.run import run_stage
from tasks.prostate.evaluate.run import Params, predict_volumes
from tasks.prostate.infer import find_gland, load
from tasks.prostate.model.prepared import open_prepared
from tasks.prostate.model.scoring import gland_mask, load_scorers
from tasks.prostate.prepare.grid import read_recipe
from tasks.prostate.prepare.volumes import read_volume
from tests.tasks.checkouts import change_params, params_of, run_stages
from tests.tasks.prostate.volumes import write_layout

FOLDS = ("fold-0", "fold-1", "fold-2")
OTHER = {
    "prepare.folds": 2,
    "prepare.intensity": "zscore",
    "prepare.interpolation": "bspline",
    "train.architecture": "attention_unet",
    "train.loss": "focal_tversky",
    "train.shift_pixels": 2,
    "train.epochs": 1,
}


def digests(folder) -> dict[str, str]:
    return {str(p.relative_to(folder)): file_digest(p) for p in sorted(folder.rglob("*")) if p.is_file()}


def column(paths: TaskPaths, metric: str) -> list[float]:
    with (paths.history / f"plots/metrics/{metric}.tsv").open() as file:
        return [float(row[metric.rpartition("/")[2]]) for row in csv.DictReader(file, delimiter="\t")]


def test_the_gland_of_patients_never_seen_is_outlined(outlined):
    metrics = json.loads(outlined.metrics.read_text())
    assert metrics["dice"] >= 0.85
    assert metrics["threshold_baseline_dice"] < 0.6


def test_metrics_predictions_and_confusion_agree(outlined):
    prepared = open_prepared(outlined.prepared)
    rows = pq.read_table(outlined.predictions).to_pylist()
    assert [(row["id"], row["group"]) for row in rows] == [(e.id, e.group) for e in prepared.examples]
    metrics = json.loads(outlined.metrics.read_text())
    for name in ("dice", "iou"):
        assert metrics[name] == pytest.approx(np.mean([row[f"value:{name}"] for row in rows]))
    for number, fold in enumerate(FOLDS):
        of_fold = [row["value:dice"] for row in rows if row["slice:fold"] == fold]
        assert metrics[f"dice_fold_{number}"] == pytest.approx(np.mean(of_fold))
    assert metrics["examples"] == len(rows)
    assert metrics["patients"] == len({row["group"] for row in rows})
    assert metrics["dice_worst"] == min(row["value:dice"] for row in rows)
    with outlined.confusion.open() as file:
        confusion = list(csv.DictReader(file))
    actual = ["gland" if mask.any() else "empty" for mask in prepared.masks]
    assert [row["actual"] for row in confusion] == actual
    assert np.mean([row["actual"] == row["predicted"] for row in confusion]) > 0.85
    for name in ("worst", "median", "best"):
        with Image.open(outlined.pictures / f"{name}.png") as picture:
            assert picture.width > 3 * picture.height / 2


def test_each_fold_has_its_history_and_the_card_the_mean_of_the_best_epochs(outlined):
    epochs = params_of(outlined, "train").epochs
    card = read_card(outlined.model, "prostate")
    assert list(card.files) == [f"{fold}.keras" for fold in FOLDS]
    assert card.source["synthetic"] is True
    best = {fold: int(np.argmin(column(outlined, f"{fold}/val/loss"))) for fold in FOLDS}
    assert card.best_epoch == best["fold-0"]
    for name in ("loss", "dice", "iou"):
        assert card.validation[name] == pytest.approx(
            np.mean([column(outlined, f"{fold}/val/{name}")[best[fold]] for fold in FOLDS])
        )
        for side in ("train", "val"):
            of_folds = [column(outlined, f"{fold}/{side}/{name}") for fold in FOLDS]
            assert {len(values) for values in of_folds} == {epochs}
            assert column(outlined, f"{side}/{name}") == pytest.approx(np.mean(of_folds, axis=0))
    assert column(outlined, "train/loss")[-1] < column(outlined, "train/loss")[0] / 2


def test_inference_by_a_fold_s_model_gives_the_rows_of_the_predictions(outlined):
    prepared = open_prepared(outlined.prepared)
    params = read_params(outlined.root, "prostate", "evaluate", Params)
    card = read_card(outlined.model, "prostate")
    scorers = load_scorers(outlined.model, card, FOLDS, params.device, params.threads, params.batch_size)
    recipe = read_recipe(card.preprocessing, "here")
    rows = pq.read_table(outlined.predictions).to_pylist()
    for row, example, volume in zip(rows, prepared.examples, range(len(rows)), strict=True):
        _, probabilities = find_gland(read_volume(outlined.raw / example.source), recipe, scorers, example.split)
        mask = gland_mask(probabilities, params.threshold, params.largest_component)
        truth = prepared.masks[prepared.slices(volume)] > 0
        target = prepared.volumes[volume].target_voxels
        assert row["prediction"] == f"{mask.sum()} voxels"
        assert row["target"] == f"{target} voxels"
        assert row["value:dice"] == 2 * int((mask & truth).sum()) / (int(mask.sum()) + target)


@pytest.mark.parametrize("ending", [".mha", ".nii.gz"])
@pytest.mark.parametrize("orientation", ["LPS", "PIL"])
def test_a_mask_lies_where_its_volume_lies(outlined, tmp_path, ending, orientation):
    study = open_prepared(outlined.prepared).examples[3]
    volume = SimpleITK.ReadImage(str(outlined.raw / study.source))
    truth = SimpleITK.ReadImage(str(outlined.raw / "masks" / f"{study.id}.nii.gz"))
    volume = SimpleITK.DICOMOrient(volume, orientation)
    truth = SimpleITK.DICOMOrient(truth, orientation)
    file = tmp_path / f"new{ending}"
    SimpleITK.WriteImage(volume, str(file))
    (answer,) = load(outlined)([file], tmp_path / "out")
    assert answer.written == tmp_path / "out" / f"new_gland{ending}"
    assert (answer.source, answer.predicted, answer.problem) == (str(file), ("gland",), None)
    stored = SimpleITK.ReadImage(str(file))
    mask = SimpleITK.ReadImage(str(answer.written))
    assert mask.GetSize() == stored.GetSize()
    # NIfTI keeps them in 32 bits, and the directions as a quaternion.
    assert mask.GetSpacing() == pytest.approx(stored.GetSpacing(), rel=1e-6)
    assert mask.GetDirection() == pytest.approx(stored.GetDirection(), abs=1e-6)
    assert mask.GetOrigin() == pytest.approx(stored.GetOrigin(), rel=1e-6)
    found, wanted = (SimpleITK.GetArrayFromImage(image) > 0 for image in (mask, truth))
    assert 2 * (found & wanted).sum() / (found.sum() + wanted.sum()) > 0.85
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"new_gland{ending}"]


def test_a_file_that_is_no_volume_does_not_stop_the_others(outlined, tmp_path):
    study = open_prepared(outlined.prepared).examples[0]
    good = outlined.raw / study.source
    (tmp_path / "other").mkdir()
    twin = tmp_path / "other" / good.name
    shutil.copy(good, twin)
    (tmp_path / "text.mha").write_text("no volume")
    files = [tmp_path / "text.mha", good, tmp_path / "absent.nii.gz", twin, tmp_path / "photo.jpg"]
    answers = load(outlined)(files, tmp_path / "out")
    assert [answer.source for answer in answers] == [str(file) for file in files]
    assert [answer.problem for answer in answers] == [
        "is truncated, damaged or not a .mha file",
        None,
        "does not exist",
        "has the name of another one, whose mask would be overwritten",
        "ends neither in .mha nor in .nii.gz",
    ]


def test_folds_in_processes_of_their_own_end_in_the_same_files(tiny):
    """About 30 s: TensorFlow is imported by four processes. Everything is chosen otherwise than in params.yaml."""
    inline = tiny(OTHER)
    local = tiny({**OTHER, "train.folds.executor": "local", "train.folds.workers": 2}, "local")
    stages = [(stage, "prostate", inline.root) for stage in ("fetch", "prepare", "train", "evaluate")]
    run_stages(stages)
    shutil.copytree(inline.root / "data", local.root / "data")
    run_stages([("train", "prostate", local.root)])
    one, other = digests(inline.model), digests(local.model)
    assert one.pop("card.json") != other.pop("card.json"), "the card has the executor in it"
    assert one == other
    assert len(one) == 2
    assert digests(local.history) == digests(inline.history)
    assert not any(path.is_file() for path in (local.root / ".checkpoints").rglob("*"))
    assert json.loads(inline.metrics.read_text())["examples"] == 7
    assert open_prepared(inline.prepared).images.dtype == np.float32


def test_borrowed_data_keeps_its_description(tiny):
    paths = tiny()
    write_layout(paths.root / "picai", ["1_0", "2_1", "3_2"])
    files = {k: v for k, v in digests(paths.root / "picai").items() if k != "source.json"}
    change_params(paths.root, {"prostate.fetch.source": {"path": "picai", "sha256": folder_digest(files)}})
    run_stage("fetch", "prostate", paths.root)
    run_stage("prepare", "prostate", paths.root)
    source = json.loads((paths.prepared / "data_report.json").read_text())["source"]
    assert source["synthetic"] is False
    assert source["sha256"] == folder_digest(files)
    assert "PI-CAI" in source["description"]
    assert "zenodo" in source["provenance"]
    assert source["licence"] == "CC BY-NC 4.0"


def test_more_levels_than_the_slices_can_be_halved_are_an_error(tiny):
    paths = tiny({"prepare.side_pixels": 48, "train.channels": [4] * 6})
    write_layout(paths.raw, ["1_0", "2_1", "3_2"])
    run_stage("prepare", "prostate", paths.root)
    with pytest.raises(TaskError, match=r"6 levels.* multiple of 32 pixels, but their side is 48"):
        run_stage("train", "prostate", paths.root)
    assert not paths.model.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"prepare.pixel_mm": 1.0}, "slices that are cut in another way"),
        ({"prepare.folds": 4}, "of other folds than the data"),
    ],
)
def test_a_model_is_not_judged_on_data_prepared_otherwise(outlined, tmp_path, change, words):
    shutil.copytree(outlined.root / "data", tmp_path / "data")
    shutil.copytree(outlined.root / "models", tmp_path / "models")
    shutil.copy(outlined.root / "params.yaml", tmp_path)
    change_params(tmp_path, {f"prostate.{key}": value for key, value in change.items()})
    paths = TaskPaths(tmp_path, "prostate")
    run_stage("prepare", "prostate", tmp_path)
    with pytest.raises(TaskError, match=words):
        predict_volumes(paths, open_prepared(paths.prepared), read_params(tmp_path, "prostate", "evaluate", Params))


@pytest.mark.parametrize(
    ("name", "content"), [("volumes.json", "{}"), ("volumes.json", None), ("images.npy", "text"), ("masks.npy", None)]
)
def test_broken_prepared_data_names_the_file(sample, tmp_path, name, content):
    folder = tmp_path / "prepared"
    shutil.copytree(sample.prepared, folder)
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_text(content)
    with pytest.raises(TaskError, match=rf"{name}.*run the stage prepare"):
        open_prepared(folder)


def test_arrays_of_another_data_set_are_noticed(sample, tmp_path):
    folder = tmp_path / "prepared"
    shutil.copytree(sample.prepared, folder)
    np.save(folder / "images.npy", np.load(folder / "images.npy")[:-1])
    with pytest.raises(TaskError, match="do not fit together"):
        open_prepared(folder)

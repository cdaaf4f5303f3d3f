"""Which of the folds answer in a package of the prostate task."""

from __future__ import annotations

import base64
import csv
import json
import shutil
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import SimpleITK
from ruamel.yaml import YAML

from tasks.common.model.card import read_card
from tasks.common.packaging.build import package_folder
from tasks.common.packaging.command import run_package
from tasks.common.packaging.provenance import read_provenance
from tasks.common.stage.errors import TaskError
from tasks.common.stage.paths import TaskPaths
from tasks.prostate.infer import find_gland
from tasks.prostate.model.prepared import open_prepared
from tasks.prostate.model.scoring import folds_of, gland_mask, load_scorers, model_file
from tasks.prostate.package.chosen import kept_epoch
from tasks.prostate.prepare.grid import paste_slices, read_recipe
from tasks.prostate.prepare.volumes import read_volume
from tests.tasks.checkouts import change_params, params_of
from tests.tasks.packaged.asking import ask


@pytest.fixture
def trained(finished, tmp_path: Path) -> TaskPaths:
    return TaskPaths(Path(shutil.copytree(finished["prostate"].root, tmp_path / "root")), "prostate")


def set_dice(paths: TaskPaths, dice: dict[str, list[float]], loss: dict[str, list[float]]) -> None:
    for name, of_folds in (("dice", dice), ("loss", loss)):
        for fold, values in of_folds.items():
            with (paths.history / "plots/metrics" / fold / "val" / f"{name}.tsv").open("w", newline="") as file:
                writer = csv.writer(file, delimiter="\t")
                writer.writerow(["step", name])
                writer.writerows(enumerate(values))


def packaged(paths: TaskPaths, folds: str) -> Path:
    run_package("prostate", paths.root, [f"folds={folds}"])
    return package_folder(paths)


def test_the_ensemble_is_the_model_as_it_was_trained(finished):
    paths = finished["prostate"]
    models = package_folder(paths) / "artifacts/models/prostate"
    assert {path.name: path.read_bytes() for path in models.iterdir()} == {
        path.name: path.read_bytes() for path in paths.model.iterdir()
    }
    said = read_provenance(package_folder(paths)).scores_of or ""
    assert "this model is the mean of them, and has no held-out test of its own" in said


def test_the_best_is_the_fold_with_the_best_dice_of_the_epoch_that_was_kept(trained):
    folds = folds_of(read_card(trained.model, "prostate"))
    iou = trained.history / "plots/metrics/{}/val/iou.tsv"
    for fold in folds:
        Path(str(iou).format(fold)).write_text("step\tiou\n0\t0.1\n1\t0.2\n")
    # The highest Dice of all is of an epoch that was not kept: its loss was not the lowest.
    dice = {folds[0]: [0.99, 0.5], folds[1]: [0.3, 0.8], folds[2]: [0.7, 0.2]}
    loss = {folds[0]: [0.5, 0.1], folds[1]: [0.5, 0.1], folds[2]: [0.1, 0.5]}
    set_dice(trained, dice, loss)
    folder = packaged(trained, "best")
    card = read_card(folder / "artifacts/models/prostate", "prostate")
    assert list(card.files) == [model_file(folds[1])]
    assert (card.best_epoch, card.validation) == (1, {"loss": 0.1, "dice": 0.8, "iou": 0.2})
    assert read_provenance(folder).model == card.files
    assert read_provenance(folder).parameters["prostate.package.folds"] == "best"
    assert "the one of fold-1, and only dice_fold_1 is its own" in (read_provenance(folder).scores_of or "")
    models = folder / "artifacts/models/prostate"
    assert sorted(path.name for path in models.iterdir()) == ["card.json", model_file(folds[1])]


def test_the_epoch_of_the_history_is_that_of_the_card(finished):
    paths = finished["prostate"]
    card = read_card(paths.model, "prostate")
    kept = [kept_epoch(paths.history / "plots/metrics", fold) for fold in folds_of(card)]
    assert kept[0][0] == card.best_epoch
    for name, mean in card.validation.items():
        assert sum(validation[name] for _, validation in kept) / len(kept) == pytest.approx(mean, rel=1e-6)


def test_without_a_history_no_fold_is_the_best(trained):
    next((trained.history / "plots/metrics").glob("fold-0/val/dice.tsv")).unlink()
    with pytest.raises(TaskError, match=r"dice\.tsv has no history of the training; run the stage train again"):
        packaged(trained, "best")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("worst", "should be 'best' or 'ensemble'"),
        ("refit", "a refit is trained, so set train.final_model to refit, and this to best or ensemble; change it"),
    ],
)
def test_what_folds_cannot_be_is_one_sentence(trained, value, words):
    change_params(trained.root, {"prostate.package.folds": value})
    with pytest.raises(TaskError, match=f'prostate.package.folds is "{value}": .*{words}'):
        run_package("prostate", trained.root)


def test_a_package_of_one_fold_finds_what_evaluate_found_in_the_volumes_that_test_it(trained, tmp_path):
    """About 20 s: TensorFlow here and in the package's process.

    On the model's grid the mask has as many voxels as predictions.parquet says. The package's mask is the same
    probabilities, interpolated at the volume's own voxels before they are cut, to the last bit.
    """
    folder = packaged(trained, "best")
    card = read_card(folder / "artifacts/models/prostate", "prostate")
    (fold,) = folds_of(card)
    prepared = open_prepared(trained.prepared)
    params = params_of(trained, "evaluate")
    scorers = load_scorers(trained.model, card, [fold], params.device, params.threads, params.batch_size)
    recipe = read_recipe(card.preprocessing, "here")
    rows = {row["id"]: row for row in pq.read_table(trained.predictions).to_pylist()}
    tested = [example for example in prepared.examples if example.split == fold]
    assert tested
    files = [trained.raw / example.source for example in tested]
    cells = [base64.b64encode(file.read_bytes()).decode() for file in files]
    answers = ask({"best": (folder, pd.DataFrame({"volume": cells}))}, tmp_path)["best"]
    for example, file, answer in zip(tested, files, answers, strict=True):
        volume = read_volume(file)
        grid, probabilities = find_gland(volume, recipe, scorers)
        found = gland_mask(probabilities, params.threshold, params.largest_component)
        assert rows[example.id]["prediction"] == f"{found.sum()} voxels"
        mask_file = tmp_path / "mask.mha"
        mask_file.write_bytes(base64.b64decode(answer["mask"]))
        mask = SimpleITK.ReadImage(str(mask_file))
        assert (mask.GetSpacing(), mask.GetOrigin()) == (volume.GetSpacing(), volume.GetOrigin())
        pasted = paste_slices(probabilities, grid, volume)
        wanted = gland_mask(pasted, params.threshold, params.largest_component)
        assert (SimpleITK.GetArrayFromImage(mask).astype(bool) == wanted).all()


def test_the_example_is_a_volume_that_the_package_answers(finished, tmp_path):
    """About 12 s: TensorFlow and MLflow are imported."""
    folder = package_folder(finished["prostate"])
    example = json.loads((folder / "input_example.json").read_text())
    (answer,) = ask({"example": (folder, pd.DataFrame(**example))}, tmp_path)["example"]
    assert answer["problem"] is None
    recipe = YAML(typ="safe").load(folder / "artifacts/models/prostate/card.json")["preprocessing"]
    (tmp_path / "mask.mha").write_bytes(base64.b64decode(answer["mask"]))
    mask = SimpleITK.ReadImage(str(tmp_path / "mask.mha"))
    assert mask.GetSpacing() == pytest.approx((recipe["pixel_mm"], recipe["pixel_mm"], recipe["slice_mm"]))
    assert mask.GetSize()[:2] == (recipe["side_pixels"],) * 2

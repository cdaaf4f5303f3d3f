"""One more model, of the patients of all folds: how it is trained, what it changes, and where it answers."""

from __future__ import annotations

import base64
import csv
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.common.model.card import read_card
from tasks.common.packaging.build import package_folder
from tasks.common.packaging.command import run_package
from tasks.common.packaging.provenance import read_provenance
from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import file_digest
from tasks.common.stage.paths import TaskPaths
from tasks.prostate.infer import find_gland, load
from tasks.prostate.model.prepared import open_prepared
from tasks.prostate.model.scoring import REFIT, answering, folds_of, gland_mask, load_scorers, model_file
from tasks.prostate.prepare.grid import paste_slices, read_recipe
from tasks.prostate.prepare.volumes import read_volume
from tasks.prostate.train.run import refit_epochs
from tests.tasks.checkouts import REPOSITORY, change_params, params_of, run_stages
from tests.tasks.packaged.asking import ask
from tests.tasks.prostate.conftest import TINY

FOLDS = ("fold-0", "fold-1", "fold-2")
# Steps so large that two folds are best before their last epoch.
SETTINGS = {
    **TINY,
    "train.epochs": 5,
    "train.learning_rate": 0.1,
    "train.trainer.device": "cpu",
}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TaskPaths]:
    """The same data, trained without a refit and with one: about 30 s."""
    folder = tmp_path_factory.mktemp("both")
    roots = {name: folder / name for name in ("folds", "refit")}
    for name, root in roots.items():
        root.mkdir()
        shutil.copy(REPOSITORY / "params.yaml", root)
        own = {f"prostate.{key}": value for key, value in SETTINGS.items()}
        change_params(root, {"tasks": ["prostate"], **own, "prostate.train.final_model": name})
    run_stages([(stage, "prostate", roots["folds"]) for stage in ("fetch", "prepare")])
    shutil.copytree(roots["folds"] / "data", roots["refit"] / "data")
    run_stages([(stage, "prostate", root) for root in roots.values() for stage in ("train", "evaluate", "package")])
    return {name: TaskPaths(root, "prostate") for name, root in roots.items()}


@pytest.fixture
def refit(both: dict[str, TaskPaths]) -> TaskPaths:
    return both["refit"]


def digests(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): file_digest(p) for p in sorted(folder.rglob("*")) if p.is_file()}


def series(paths: TaskPaths) -> dict[str, str]:
    return digests(paths.history / "plots/metrics")


def column(paths: TaskPaths, metric: str) -> list[float]:
    with (paths.history / f"plots/metrics/{metric}.tsv").open() as file:
        return [float(row[metric.rpartition("/")[2]]) for row in csv.DictReader(file, delimiter="\t")]


def best_epochs(paths: TaskPaths) -> list[int]:
    return [int(np.argmin(column(paths, f"{fold}/val/loss"))) for fold in FOLDS]


@given(st.lists(st.integers(0, 999), min_size=1, max_size=20))
def test_the_number_of_epochs_is_the_median_of_the_best_ones(epochs):
    """The best epochs are counted from 0, so that the number of epochs is at least 1."""
    median = statistics.median(epoch + 1 for epoch in epochs)
    assert refit_epochs(epochs) >= 1
    assert median - refit_epochs(epochs) >= 0
    assert refit_epochs(epochs) - 1 in epochs, "with an even number of folds, one of the two in the middle"
    if len(epochs) % 2:
        assert refit_epochs(epochs) == median


def test_a_refit_leaves_the_folds_and_their_scores_as_they_are(both):
    folds, refit = both["folds"], both["refit"]
    assert set(digests(refit.model)) == {*digests(folds.model), model_file(REFIT)}
    for fold in FOLDS:
        assert digests(refit.model)[model_file(fold)] == digests(folds.model)[model_file(fold)]
    without = {name: digest for name, digest in series(refit).items() if not name.startswith(f"{REFIT}/")}
    assert without == series(folds)
    for file in ("metrics", "predictions", "confusion"):
        assert file_digest(getattr(refit, file)) == file_digest(getattr(folds, file))
    one, other = (read_card(paths.model, "prostate") for paths in (refit, folds))
    assert (one.best_epoch, one.validation) == (other.best_epoch, other.validation)
    assert folds_of(one) == folds_of(other) == list(FOLDS)
    assert (answering(one), answering(other)) == ([REFIT], list(FOLDS))


def test_its_history_is_as_long_as_the_folds_say_and_has_no_validation(refit):
    best = best_epochs(refit)
    n_epochs = sorted(best)[1] + 1
    assert n_epochs < len(column(refit, "fold-0/val/loss")), "or the number of epochs is not tested"
    names = {name for name in series(refit) if name.startswith(f"{REFIT}/")}
    assert names == {f"{REFIT}/train/{measure}.tsv" for measure in ("loss", "dice", "iou")}
    for measure in ("loss", "dice", "iou"):
        assert len(column(refit, f"{REFIT}/train/{measure}")) == n_epochs
        of_folds = [column(refit, f"{fold}/train/{measure}") for fold in FOLDS]
        assert column(refit, f"train/{measure}") == pytest.approx(np.mean(of_folds, axis=0)), "the folds' mean alone"


def test_it_is_trained_on_all_slices_as_a_fold_is_on_its_own(refit, tmp_path):
    """About 8 s: TensorFlow is imported, and the same training is written out once more."""
    from tasks.common.learning.batches import Batches
    from tasks.common.learning.checkpoints import PhaseCheckpoints
    from tasks.common.learning.keras_loop import fit_keras
    from tasks.common.learning.schedule import cosine_schedule
    from tasks.common.learning.trainer import start_keras
    from tasks.common.model.keras_file import import_keras, load_keras
    from tasks.prostate.model.architecture import build, network_input
    from tasks.prostate.model.losses import loss_function
    from tasks.prostate.train.augmentation import augment
    from tasks.prostate.train.network import overlap_measure

    params, prepared = params_of(refit, "train"), open_prepared(refit.prepared)
    n_slices = sum(volume.slices for volume in prepared.volumes)

    def transform(numbers, _, generator):
        images = network_input(prepared.images[numbers])
        masks = prepared.masks[numbers].astype(np.float32)[..., None]
        return augment(images, masks, params.flip_share, params.brightness, params.shift_pixels, generator)

    numbers = np.arange(n_slices)
    train = Batches(numbers, numbers, params.batch_size, params.seed, transform)
    start_keras(params.trainer, params.seed)
    model = build(params.architecture, prepared.recipe["side_pixels"], params.channels)
    (tmp_path / "checkpoints").mkdir()
    fit_keras(
        model,
        import_keras().optimizers.Adam(params.learning_rate),
        train,
        None,
        loss=loss_function(params.loss, params.miss_weight, params.focus),
        measure=overlap_measure(),
        epochs=sorted(best_epochs(refit))[1] + 1,
        trainer=params.trainer,
        log_epoch=lambda metrics: None,
        checkpoints=PhaseCheckpoints(tmp_path / "checkpoints", "refit"),
        learning_rate_at=cosine_schedule(params.learning_rate, params.warmup_share, params.epochs * len(train)),
    )
    stored = load_keras(refit.model / model_file(REFIT)).get_weights()
    for one, other in zip(model.get_weights(), stored, strict=True):
        assert np.array_equal(one, other)


def test_killed_while_it_trains_it_goes_on_and_ends_in_the_same_bytes(refit, tmp_path):
    """About 30 s: TensorFlow is imported by two processes, and the folds are trained once more."""
    shutil.copytree(refit.root / "data", tmp_path / "data")
    shutil.copy(refit.root / "params.yaml", tmp_path)
    command = [sys.executable, str(REPOSITORY / "src/tasks/stage.py"), "train", "prostate"]
    with (tmp_path / "log.txt").open("w") as log:
        training = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log)
        # There is one after each epoch.
        while not list(tmp_path.glob(f".checkpoints/prostate/*/{REFIT}/network/0*.safetensors")):
            assert training.poll() is None, (tmp_path / "log.txt").read_text()
            time.sleep(0.001)
        training.kill()
        assert training.wait() == -9
    assert not (tmp_path / "models/prostate").exists()
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "train prostate: 3 of 3 jobs were done before" in done.stderr
    assert "train prostate refit, network: going on after batch" in done.stderr
    assert digests(tmp_path / "models/prostate") == digests(refit.model)
    assert digests(tmp_path / "results/prostate/history") == digests(refit.history)
    assert not [path for path in tmp_path.glob(".checkpoints/**/*") if path.is_file()]


def test_the_package_has_the_refit_alone_and_says_that_nothing_is_left_to_test_it(refit):
    folder = package_folder(refit)
    models = folder / "artifacts/models/prostate"
    card, trained = read_card(models, "prostate"), read_card(refit.model, "prostate")
    assert sorted(path.name for path in models.iterdir()) == ["card.json", model_file(REFIT)]
    assert card.files == {model_file(REFIT): trained.files[model_file(REFIT)]}
    assert (card.best_epoch, card.validation) == (len(column(refit, f"{REFIT}/train/loss")) - 1, {})
    assert card.preprocessing == trained.preprocessing
    record = read_provenance(folder)
    assert record.model == card.files
    assert record.scores_of is not None
    assert record.scores_of.startswith("cross-validation")
    assert "trained on the patients of all folds, and has no held-out test of its own" in record.scores_of
    assert record.scores_of in (folder / "MLmodel").read_text()


@pytest.mark.parametrize("folds", ["best", "ensemble"])
def test_which_folds_would_answer_makes_no_difference_to_it(refit, tmp_path, folds):
    root = Path(shutil.copytree(refit.root, tmp_path / "root"))
    run_package("prostate", root, [f"folds={folds}"])
    models = package_folder(TaskPaths(root, "prostate")) / "artifacts/models"
    assert digests(models) == digests(package_folder(refit) / "artifacts/models")


def test_without_its_history_it_is_not_packaged(refit, tmp_path):
    root = Path(shutil.copytree(refit.root, tmp_path / "root"))
    (root / f"results/prostate/history/plots/metrics/{REFIT}/train/loss.tsv").unlink()
    with pytest.raises(TaskError, match=r"refit/train/loss\.tsv has no history of the training"):
        run_package("prostate", root)


def test_it_alone_answers_in_infer_and_in_the_package(both, tmp_path):
    """About 15 s: TensorFlow here and in the package's process."""
    refit = both["refit"]
    params, prepared = params_of(refit, "evaluate"), open_prepared(refit.prepared)
    card = read_card(refit.model, "prostate")
    scorers = load_scorers(refit.model, card, [REFIT, *FOLDS], params.device, params.threads, params.batch_size)
    recipe = read_recipe(card.preprocessing, "here")
    files = [refit.raw / example.source for example in prepared.examples[:2]]
    cells = [base64.b64encode(file.read_bytes()).decode() for file in files]
    packaged = ask({REFIT: (package_folder(refit), pd.DataFrame({"volume": cells}))}, tmp_path)[REFIT]
    of_folds = load(both["folds"])(files, tmp_path / "folds")
    answers = load(refit)(files, tmp_path / REFIT)
    for file, answer, same, other in zip(files, answers, packaged, of_folds, strict=True):
        volume = read_volume(file)
        grid, probabilities = find_gland(volume, recipe, {REFIT: scorers[REFIT]})
        found = gland_mask(paste_slices(probabilities, grid, volume), params.threshold, params.largest_component)
        assert answer.written is not None
        assert (voxels_of(answer.written) == found).all()
        assert base64.b64decode(same["mask"]) == answer.written.read_bytes()
        assert other.written is not None
        assert other.written.read_bytes() != answer.written.read_bytes(), "the mean of the folds is another answer"


def voxels_of(mask: Path) -> np.ndarray:
    import SimpleITK

    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(mask))) > 0

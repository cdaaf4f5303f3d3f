from __future__ import annotations

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tasks.common.data.manifest import read_manifest
from tasks.common.data.shards import open_shard
from tasks.common.learning.batches import Batches
from tasks.common.learning.best import Best
from tasks.common.learning.checkpoints import PhaseCheckpoints
from tasks.common.learning.keras_loop import fit_keras
from tasks.common.learning.measures import accuracy_measure
from tasks.common.learning.torch_loop import fit_torch
from tasks.common.learning.trainer import TrainerParams, start_keras, start_torch
from tasks.common.model.card import read_card
from tasks.common.stage.errors import TaskError
from tasks.common.stage.paths import TaskPaths
from tasks.digits.evaluate.run import run as evaluate
from tasks.digits.fetch.run import run as fetch
from tasks.digits.infer import load
from tasks.digits.model.network import (
    Architecture,
    build_keras,
    build_torch,
    channels_first,
    channels_last,
    load_scorer,
    normalise,
    softmax,
)
from tasks.digits.prepare.run import run as prepare
from tasks.digits.train.run import run as train
from tests.tasks.checkouts import change_params, params_of
from tests.tasks.common.trainings import PLAIN

SMALL = Architecture((8, 8), 32, 0.0)


def eight() -> tuple[np.ndarray, np.ndarray]:
    """Eight images (8, 8, 8) of eight digits, and their labels (8,)."""
    from sklearn.datasets import load_digits

    data = load_digits()
    chosen = [int(np.flatnonzero(data.target == digit)[0]) for digit in range(8)]
    return data.images[chosen], np.arange(8)


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_eight_images_are_learnt_by_heart(framework, tmp_path):
    """About 8 s for Keras, because TensorFlow is imported."""
    images, targets = eight()
    arrange = channels_first if framework == "torch" else channels_last
    batches = Batches(images, targets, 8, 0, lambda i, t, _: (arrange(normalise(i, 4.9, 6.0)), t))
    history = []
    arguments = {
        "measure": accuracy_measure(),
        "epochs": 40,
        "trainer": TrainerParams(**PLAIN),
        "log_epoch": history.append,
        "checkpoints": PhaseCheckpoints(tmp_path, "train digits"),
    }
    if framework == "torch":
        import torch

        start_torch(TrainerParams(**PLAIN), 0)
        model = build_torch(SMALL, 10)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        fit_torch(model, optimizer, batches, batches, loss=torch.nn.functional.cross_entropy, **arguments)
    else:
        import keras

        start_keras(TrainerParams(**PLAIN), 0)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        fit_keras(build_keras(SMALL, 10), keras.optimizers.Adam(0.01), batches, batches, loss=loss, **arguments)
    assert history[-1]["train/loss"] < history[0]["train/loss"] / 10
    assert history[-1]["train/accuracy"] == 1


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_both_frameworks_have_the_same_network(framework):
    """Two convolutions of 8 filters, a hidden layer of 32, 10 labels: weights and biases."""
    architecture = Architecture((8, 8), 32, 0.0)
    count = (9 + 1) * 8 + (9 * 8 + 1) * 8 + (16 * 8 + 1) * 32 + (32 + 1) * 10
    images = np.zeros((3, 8, 8), np.float32)
    if framework == "torch":
        import torch

        model = build_torch(architecture, 10)
        assert sum(parameter.numel() for parameter in model.parameters()) == count
        assert model(torch.from_numpy(channels_first(images))).shape == (3, 10)
    else:
        model = build_keras(architecture, 10)
        assert model.count_params() == count
        assert model(channels_last(images)).shape == (3, 10)


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_a_fast_run_goes_through_everything_once(finished, tmp_path, framework):
    shutil.copytree(finished[framework].root / "data", tmp_path / "data")
    shutil.copy(finished[framework].root / "params.yaml", tmp_path)
    change_params(tmp_path, {"digits.train.trainer.fast_dev_run": True})
    paths = TaskPaths(tmp_path, "digits")
    train(paths, params_of(paths, "train"))
    evaluate(paths, params_of(paths, "evaluate"))
    rows = (paths.history / "plots/metrics/train/loss.tsv").read_text().splitlines()
    assert len(rows) == 2
    assert json.loads(paths.metrics.read_text())["accuracy"] < 0.9
    assert read_card(paths.model, "digits").best_epoch == 0


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_a_model_trained_in_lower_precision_is_a_float32_model(finished, tmp_path, framework):
    shutil.copytree(finished[framework].root / "data", tmp_path / "data")
    shutil.copy(finished[framework].root / "params.yaml", tmp_path)
    change_params(tmp_path, {"digits.train.trainer.precision": "bfloat16", "digits.train.epochs": 6})
    paths = TaskPaths(tmp_path, "digits")
    train(paths, params_of(paths, "train"))
    card = read_card(paths.model, "digits")
    assert card.validation["accuracy"] > 0.9
    images = open_shard(paths.prepared, "images", "validation")
    scores = load_scorer(paths.model, card, "cpu", 1, 512)(images)
    examples = [example for example in read_manifest(paths.prepared) if example.split == "validation"]
    right = scores[np.arange(len(scores)), [card.labels.index(example.label) for example in examples]]
    loss = -np.log(right).mean()
    assert loss != card.validation["loss"]
    assert loss == pytest.approx(card.validation["loss"], rel=0.05)


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_inference_gives_exactly_the_rows_of_predictions(finished, tmp_path, framework):
    """Half of the test images as pictures, half as arrays."""
    paths = finished[framework]
    raw = np.load(paths.raw / "images.npy")
    table = pq.read_table(paths.predictions).to_pylist()
    examples = {example.id: example for example in read_manifest(paths.prepared)}
    files = []
    for number, row in enumerate(table):
        image = raw[int(examples[row["id"]].source.removeprefix("image "))]
        files.append(tmp_path / f"{number}.{'png' if number % 2 else 'npy'}")
        if number % 2:
            Image.fromarray(np.rint(image * (255 / 16)).astype(np.uint8)).save(files[-1])
        else:
            np.save(files[-1], image)
    answers = load(paths)(files, tmp_path)
    assert [answer.source for answer in answers] == [str(file) for file in files]
    assert [answer.predicted for answer in answers] == [(row["prediction"],) for row in table]
    for answer, row in zip(answers, table, strict=True):
        assert {f"score:{label}": share for label, share in answer.labels.items()} == {
            name: value for name, value in row.items() if name.startswith("score:")
        }


def test_larger_pictures_are_reduced(finished, tmp_path):
    paths = finished["torch"]
    image = np.load(paths.raw / "images.npy")[0]
    np.save(tmp_path / "small.npy", image)
    large = Image.fromarray(np.rint(image * (255 / 16)).astype(np.uint8)).resize((80, 80), Image.Resampling.NEAREST)
    large.save(tmp_path / "large.png")
    small, reduced = load(paths)([tmp_path / "small.npy", tmp_path / "large.png"], tmp_path)
    assert reduced.labels == small.labels
    assert sum(small.labels.values()) == pytest.approx(1)


def test_files_that_are_no_digit_are_named_and_the_others_answered(finished, tmp_path):
    paths = finished["torch"]
    np.save(tmp_path / "good.npy", np.load(paths.raw / "images.npy")[0])
    np.save(tmp_path / "bright.npy", np.full((8, 8), 17))
    np.save(tmp_path / "wide.npy", np.zeros((8, 9)))
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    np.save(tmp_path / "words.npy", np.full((8, 8), "a"))
    Image.new("RGB", (8, 8)).save(tmp_path / "colour.png")
    (tmp_path / "text.png").write_text("no picture")
    problems = {
        "bright.npy": "outside 0 to 16",
        "wide.npy": "is not an array of 8 x 8 numbers",
        "objects.npy": "is not a NumPy array",
        "words.npy": "is not an array of 8 x 8 numbers",
        "colour.png": "has channels of the kind 3",
        "text.png": "is not a JPEG or PNG image",
        "gone.npy": "is not a NumPy array",
    }
    first, good, *others = load(paths)(
        [tmp_path / n for n in ("bright.npy", "good.npy", *list(problems)[1:])], tmp_path
    )
    assert good.predicted == ("0",)
    assert good.problem is None
    for answer, words in zip([first, *others], problems.values(), strict=True):
        assert words in str(answer.problem)
        assert (answer.labels, answer.predicted) == ({}, ())
    assert all(answer.problem for answer in load(paths)([tmp_path / "text.png"], tmp_path))


def test_the_picture_of_mistakes_is_a_picture(finished):
    with Image.open(finished["torch"].pictures / "mistakes.png") as picture:
        assert picture.width > 300
        colours = {colour for _, colour in picture.getcolors(10_000)}
    assert len(colours) > 10
    assert (240, 240, 240) in colours  # The brightest of the 16 greys, made as bright as bytes allow.


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_the_weights_of_the_best_epoch_are_those_in_the_file(finished, framework):
    paths = finished[framework]
    card = read_card(paths.model, "digits")
    examples = [example for example in read_manifest(paths.prepared) if example.split == "validation"]
    labels = [card.labels.index(example.label) for example in examples]
    scores = load_scorer(paths.model, card, "cpu", 1, 512)(open_shard(paths.prepared, "images", "validation"))
    loss = -np.log(scores[np.arange(len(labels)), labels]).mean()
    assert loss == pytest.approx(card.validation["loss"], rel=1e-4)
    assert (scores.argmax(axis=1) == labels).mean() == pytest.approx(card.validation["accuracy"])


def test_the_first_of_the_best_epochs_is_kept():
    best: Best[int] = Best()
    for epoch, loss in enumerate([3.0, 1.0, 1.0, 2.0]):
        best.offer(epoch, {"val/loss": loss, "train/loss": 9.0}, lambda epoch=epoch: epoch)
    assert (best.epoch, best.weights, best.validation()) == (1, 1, {"loss": 1.0})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_training_that_diverges_says_so(value):
    with pytest.raises(TaskError, match=r"train/loss is .* in epoch 3"):
        Best().offer(3, {"train/loss": value, "val/loss": 1.0}, lambda: None)


def test_probabilities_sum_to_one_even_for_huge_logits():
    scores = softmax(np.array([[1e4, 0, -1e4], [0, 0, 0]], np.float32))
    assert scores == pytest.approx(np.array([[1, 0, 0], [1 / 3] * 3]))


def test_weights_of_another_architecture_are_one_sentence(finished):
    paths = finished["torch"]
    card = read_card(paths.model, "digits")
    other = card.model_copy(update={"params": card.params | {"hidden_units": 5}})
    with pytest.raises(TaskError, match="does not hold the weights of this model"):
        load_scorer(paths.model, other, "cpu", 1, 512)


def test_a_graphics_card_that_is_not_there_is_one_sentence(finished):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a graphics card")
    paths = finished["torch"]
    with pytest.raises(TaskError, match='"cuda", but PyTorch finds no graphics card'):
        load_scorer(paths.model, read_card(paths.model, "digits"), "cuda", 1, 512)


def test_unusable_images_are_set_aside_by_name(checkout):
    paths = checkout("digits")
    fetch(paths, params_of(paths, "fetch"))
    images = np.load(paths.raw / "images.npy")
    labels = np.load(paths.raw / "labels.npy")
    images[5] = 3
    images[7, 0, 0] = 99
    images[9] = images[8]
    labels[11] = 10
    np.save(paths.raw / "images.npy", images)
    np.save(paths.raw / "labels.npy", labels)
    prepare(paths, params_of(paths, "prepare"))
    report = json.loads((paths.prepared / "data_report.json").read_text())
    assert report["set_aside_because"] == [
        {"source": "image 5", "reason": "all pixels are equal"},
        {"source": "image 7", "reason": "a pixel is 99, brighter than 16"},
        {"source": "image 11", "reason": "its label is 10, no digit"},
    ]
    assert report["examples"] == 1794
    assert report["repeated"] == 1
    assert report["repeated_with_other_label"] == 1
    splits = ("train", "validation", "test")
    assert sum(len(open_shard(paths.prepared, "images", split)) for split in splits) == 1794


def test_too_many_unusable_images_are_an_error(checkout):
    paths = checkout("digits")
    fetch(paths, params_of(paths, "fetch"))
    images = np.load(paths.raw / "images.npy")
    images[:600] = 0
    np.save(paths.raw / "images.npy", images)
    with pytest.raises(TaskError, match="600 of 1797 examples cannot be used, the first is image 0"):
        prepare(paths, params_of(paths, "prepare"))


def test_fewer_classes_are_fewer_images(checkout):
    paths = checkout("digits", {"digits.fetch.classes": 3})
    fetch(paths, params_of(paths, "fetch"))
    assert set(np.load(paths.raw / "labels.npy")) == {0, 1, 2}


def test_raw_data_that_is_missing_names_the_stage_to_run(checkout):
    paths = checkout("digits")
    with pytest.raises(TaskError, match="run the stage fetch first"):
        prepare(paths, params_of(paths, "prepare"))
    assert not paths.prepared.exists()

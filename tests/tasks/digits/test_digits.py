from __future__ import annotations

import json

import numpy as np
import pytest

from tasks.common.learning.best import Best
from tasks.common.model.card import read_card
from tasks.common.stage.errors import TaskError
from tasks.digits import fetch, prepare
from tasks.digits.model import Architecture, build_keras, build_torch, load_scorer, normalise, softmax
from tests.tasks.checkouts import params_of

SMALL = Architecture((8, 8), 32, 0.0)


def eight() -> tuple[np.ndarray, np.ndarray]:
    """Eight images (8, 8, 8) of eight digits, normalised, and their labels (8,)."""
    from sklearn.datasets import load_digits

    data = load_digits()
    chosen = [int(np.flatnonzero(data.target == digit)[0]) for digit in range(8)]
    return normalise(data.images[chosen], 4.9, 6.0), np.arange(8)


def test_pytorch_learns_eight_images_by_heart():
    import torch

    from tasks.common.learning.seeds import seed_torch
    from tasks.common.learning.torch_loop import fit_torch, torch_batches

    seed_torch(0)
    inputs, targets = eight()
    batches = torch_batches(inputs[:, None], targets, 8, 0)
    history = []
    model = build_torch(SMALL, 10)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    fit_torch(model, optimizer, batches, batches, epochs=40, device="cpu", log_epoch=history.append)
    assert history[-1]["train/loss"] < history[0]["train/loss"] / 10
    assert history[-1]["train/accuracy"] == 1


def test_keras_learns_eight_images_by_heart():
    """About 8 s, because TensorFlow is imported."""
    from tasks.common.learning.keras_loop import fit_keras, keras_batches
    from tasks.common.learning.seeds import seed_keras
    from tasks.common.model.device import use_tensorflow
    from tasks.common.model.keras_file import import_keras

    use_tensorflow("cpu", 1)
    seed_keras(0)
    inputs, targets = eight()
    batches = keras_batches(inputs[..., None], targets, 8, 0)
    history = []
    optimizer = import_keras().optimizers.Adam(0.01)
    fit_keras(build_keras(SMALL, 10), optimizer, batches, batches, epochs=40, log_epoch=history.append)
    assert history[-1]["train/loss"] < history[0]["train/loss"] / 10
    assert history[-1]["train/accuracy"] == 1


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_the_weights_of_the_best_epoch_are_those_in_the_file(finished, framework):
    paths = finished.paths[framework]
    card = read_card(paths.model, "digits")
    from tasks.common.data.manifest import read_manifest

    chosen = [i for i, example in enumerate(read_manifest(paths.prepared)) if example.split == "validation"]
    labels = [card.labels.index(read_manifest(paths.prepared)[i].label) for i in chosen]
    scores = load_scorer(paths.model, card, "cpu", 1)(np.load(paths.prepared / "images.npy")[chosen])
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
    paths = finished.paths["torch"]
    card = read_card(paths.model, "digits")
    other = card.model_copy(update={"params": card.params | {"hidden_units": 5}})
    with pytest.raises(TaskError, match="does not hold the weights of this model"):
        load_scorer(paths.model, other, "cpu", 1)


def test_a_graphics_card_that_is_not_there_is_one_sentence(finished):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a graphics card")
    paths = finished.paths["torch"]
    with pytest.raises(TaskError, match='"cuda", but PyTorch finds no graphics card'):
        load_scorer(paths.model, read_card(paths.model, "digits"), "cuda", 1)


def test_unusable_images_are_set_aside_by_name(checkout):
    paths = checkout("digits")
    fetch.run(paths, params_of(paths, "fetch"))
    images = np.load(paths.raw / "images.npy")
    images[5] = 3
    images[7, 0, 0] = 99
    images[9] = images[8]
    np.save(paths.raw / "images.npy", images)
    prepare.run(paths, params_of(paths, "prepare"))
    report = json.loads((paths.prepared / "data_report.json").read_text())
    assert report["set_aside"] == [
        {"source": "image 5", "reason": "all pixels are equal"},
        {"source": "image 7", "reason": "a pixel is 99, brighter than 16"},
    ]
    assert report["examples"] == 1795
    assert report["repeated"] == 1
    assert len(np.load(paths.prepared / "images.npy")) == 1795


def test_fewer_classes_are_fewer_images(checkout):
    paths = checkout("digits", {"digits.fetch.classes": 3})
    fetch.run(paths, params_of(paths, "fetch"))
    assert set(np.load(paths.raw / "labels.npy")) == {0, 1, 2}


def test_raw_data_that_is_missing_names_the_stage_to_run(checkout):
    paths = checkout("digits")
    with pytest.raises(TaskError, match="run the stage fetch first"):
        prepare.run(paths, params_of(paths, "prepare"))
    assert not paths.prepared.exists()

"""The networks, what they minimise, and the two phases. About 20 s: TensorFlow is imported and traces graphs."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sklearn import metrics as reference

from tasks.common.learning.batches import Batches
from tasks.common.learning.checkpoints import PhaseCheckpoints
from tasks.common.learning.history import clear_history
from tasks.common.learning.keras_loop import fit_keras
from tasks.common.learning.trainer import start_keras
from tasks.common.model.device import use_tensorflow
from tasks.common.model.keras_file import import_keras, load_keras, save_keras
from tasks.common.stage.errors import TaskError
from tasks.posters.model.network import Architecture, backbone_of, build_network
from tasks.posters.model.scoring import score_pixels
from tasks.posters.model.thresholds import choose_thresholds, decide
from tasks.posters.train.objective import balancing_weights, genre_measure, sigmoid_cross_entropy
from tasks.posters.train.run import Params, _fit_phase
from tests.tasks.checkouts import params_of

SMALL = Architecture("small_cnn", 32, (8, 16), 0.0)
LARGE = Architecture("efficientnetv2_b0", 64, (), 0.2)


@pytest.fixture(autouse=True, scope="module")
def _threads() -> None:
    # TensorFlow takes its number of threads only before it has computed anything.
    use_tensorflow("cpu", 1)


@pytest.fixture
def params(checkout) -> Params:
    return params_of(checkout("posters", {"tasks": ["posters"]}), "train")


@pytest.fixture
def eight(params) -> tuple[np.ndarray, np.ndarray]:
    """Eight pictures of noise (8, 32, 32, 3) and three labels (8, 3) that no rule gives; TensorFlow is seeded."""
    start_keras(params.trainer, 1)
    rng = np.random.default_rng(1)
    targets = np.array([[k >> bit & 1 for bit in range(3)] for k in range(8)], np.float32)
    return rng.integers(0, 256, (8, 32, 32, 3), dtype=np.uint8), targets


def count(model) -> int:
    return sum(int(np.prod(weight.shape)) for weight in model.weights)


def test_the_small_network_has_the_shapes_and_parameters_of_its_channels():
    model = build_network(SMALL, 5, None)
    assert (model.input_shape, model.output_shape) == ((None, 32, 32, 3), (None, 5))
    assert backbone_of(model).output_shape == (None, 4, 4, 16)
    assert count(backbone_of(model)) == (75 * 8 + 4 * 8) + (72 * 16 + 4 * 16)
    assert count(model) == count(backbone_of(model)) + 16 * 5 + 5


@pytest.mark.parametrize(("side", "convolutions"), [(63, 5), (31, 4), (7, 2)])
def test_the_smallest_posters_of_a_network_are_told_where_they_are_smaller(side, convolutions):
    channels = [4] * convolutions
    assert build_network(Architecture("small_cnn", side, channels, 0.0), 2, None).output_shape == (None, 2)
    with pytest.raises(TaskError, match=f"must have {side} pixels a side, but they have {side - 1}"):
        build_network(Architecture("small_cnn", side - 1, channels, 0.0), 2, None)


def test_the_large_network_is_efficientnetv2_b0_as_published(params):
    """About 5 s: 270 layers are built."""
    start_keras(params.trainer, 1)
    model = build_network(LARGE, 7, None)
    assert (model.input_shape, model.output_shape) == ((None, 64, 64, 3), (None, 7))
    assert backbone_of(model).output_shape == (None, 2, 2, 1280)
    # Keras' documentation has 7.2 million with the head of 1000 classes, which is 1,281,000.
    assert count(backbone_of(model)) == 5_919_312
    black_and_white = np.stack([np.zeros((64, 64, 3), np.uint8), np.full((64, 64, 3), 255, np.uint8)])
    scaled = model.get_layer("scale")(black_and_white).numpy()
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    assert scaled[0, 0, 0] == pytest.approx(-mean / std, rel=1e-5)
    assert scaled[1, 0, 0] == pytest.approx((1 - mean) / std, rel=1e-5)


def test_weights_that_cannot_be_fetched_are_one_sentence(monkeypatch, tmp_path):
    import_keras()
    from keras.src.backend import config

    # No proxy answers there, and nothing is kept from earlier.
    monkeypatch.setattr(config, "_KERAS_DIR", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(
        TaskError, match=r"the ImageNet weights of EfficientNetV2-B0 cannot be fetched .*weights to null"
    ):
        build_network(LARGE, 3, "imagenet")


def test_imagenet_weights_of_the_small_network_are_refused(params):
    with pytest.raises(ValidationError, match="ImageNet weights for efficientnetv2_b0 only"):
        Params.model_validate(params.model_dump() | {"weights": "imagenet"})


@pytest.mark.parametrize(
    ("architecture", "weights", "learning_rate"),
    [
        (SMALL, "none", 0.01),
        (SMALL, "balanced", 0.01),
        (Architecture("efficientnetv2_b0", 32, (), 0.0), "none", 0.003),
    ],
    ids=["small", "small balanced", "large"],
)
def test_eight_posters_are_learned_by_heart(eight, params, tmp_path, architecture, weights, learning_rate):
    """In 60 steps. The large network takes about 25 s, nearly all of it the tracing."""
    import_keras().utils.set_random_seed(0)
    # Few epochs, because each ends with a validation and a checkpoint.
    twelve_times = Batches(*(np.concatenate([part] * 12) for part in eight), 8)
    positive = balancing_weights(eight[1]) if weights == "balanced" else None
    history = []
    fit_keras(
        build_network(architecture, 3, None),
        import_keras().optimizers.Adam(learning_rate),
        twelve_times,
        Batches(*eight, 8),
        loss=sigmoid_cross_entropy(positive),
        measure=genre_measure(),
        epochs=5,
        trainer=params.trainer,
        log_epoch=history.append,
        checkpoints=PhaseCheckpoints(tmp_path, "test"),
    )
    assert history[-1]["train/loss"] < history[0]["train/loss"] / 10
    assert history[-1]["train/micro_f1"] == history[-1]["train/subset_accuracy"] == 1


def test_the_first_phase_leaves_the_backbone_as_it_is_and_the_second_does_not(eight, params, checkout):
    paths = checkout("posters", {"tasks": ["posters"]})
    model = build_network(SMALL, 3, None)
    batches = Batches(*eight, 4, 1)

    def after(name):
        before = {weight.path: np.array(weight) for weight in model.weights}
        _fit_phase(paths, params, model, batches, batches, name, PhaseCheckpoints(paths.root / name, "test"))
        return {weight.path for weight in model.weights if (np.array(weight) != before[weight.path]).any()}

    clear_history(paths)
    assert after("head") == {"logits/kernel", "logits/bias"}
    assert after("fine_tune") == {weight.path for weight in model.weights}
    for name, epochs in (("head", params.head.epochs), ("fine_tune", params.fine_tune.epochs)):
        for split in ("train", "val"):
            for metric in ("loss", "micro_f1", "subset_accuracy"):
                path = paths.history / f"plots/metrics/{name}/{split}/{metric}.tsv"
                assert len(list(csv.DictReader(path.open(), delimiter="\t"))) == epochs


def test_the_file_scores_as_the_model_does_whatever_the_batch(eight, tmp_path):
    model = build_network(SMALL, 3, None)
    save_keras(model, tmp_path / "model.keras")
    scores = score_pixels(model, eight[0], 8)
    assert scores.dtype == np.float64
    assert (score_pixels(load_keras(tmp_path / "model.keras"), eight[0], 8) == scores).all()
    assert score_pixels(model, eight[0], 3) == pytest.approx(scores, abs=1e-6)


def test_the_loss_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    targets, logits = (rng.random((40, 3)) < 0.3).astype(np.float32), rng.normal(0, 2, (40, 3)).astype(np.float32)
    scores = 1 / (1 + np.exp(-logits.astype(np.float64)))
    plain = float(sigmoid_cross_entropy(None)(targets, logits))
    assert plain == pytest.approx(reference.log_loss(targets.ravel(), scores.ravel()), rel=1e-5)
    weights = balancing_weights(targets)
    assert weights == pytest.approx((1 - targets.mean(axis=0)) / targets.mean(axis=0), rel=1e-5)
    weighted = reference.log_loss(
        targets.ravel(), scores.ravel(), normalize=False, sample_weight=np.where(targets > 0, weights, 1).ravel()
    )
    assert float(sigmoid_cross_entropy(weights)(targets, logits)) == pytest.approx(weighted / targets.size, rel=1e-5)


@given(st.integers(0, 10_000), st.integers(1, 40))
def test_the_measures_of_an_epoch_are_those_of_scikit_learn(seed, n):
    rng = np.random.default_rng(seed)
    targets, logits = (rng.random((n, 4)) < 0.4).astype(np.float32), rng.normal(0, 1, (n, 4)).astype(np.float32)
    measure = genre_measure()
    found = measure.measure(np.concatenate([measure.summarise(logits[i::2], targets[i::2]) for i in range(min(2, n))]))
    pooled = reference.f1_score(targets.ravel(), logits.ravel() > 0, zero_division=0)
    assert found["micro_f1"] == pytest.approx(pooled)
    assert found["subset_accuracy"] == pytest.approx(((logits > 0) == (targets > 0)).all(axis=1).mean())


@given(st.integers(0, 10_000), st.integers(1, 40))
def test_no_threshold_has_a_higher_f1(seed, n):
    rng = np.random.default_rng(seed)
    targets, scores = rng.random((n, 3)) < 0.4, np.round(rng.random((n, 3)), rng.integers(1, 4))
    thresholds = choose_thresholds(targets, scores)
    named = decide(scores, np.array(thresholds))
    for k in range(3):
        assert 0 <= thresholds[k] <= 1
        if not targets[:, k].any():
            assert thresholds[k] == 0.5
            continue
        best = max(_f1(targets[:, k], scores[:, k] >= threshold) for threshold in (0, *scores[:, k]))
        assert _f1(targets[:, k], named[:, k]) == pytest.approx(best)


def _f1(targets, named) -> float:
    return 2 * (targets & named).sum() / (targets.sum() + named.sum())


def test_a_threshold_lies_half_way_to_the_next_score():
    targets, scores = np.array([[1], [1], [0], [0]], bool), np.array([[0.9], [0.7], [0.3], [0.1]])
    assert choose_thresholds(targets, scores) == [0.5]
    assert choose_thresholds(targets, scores / 2) == [0.25]

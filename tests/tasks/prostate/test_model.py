"""The networks, what they minimise, and the way from slices to a mask."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import log_loss

from tasks.common.learning.batches import Batches
from tasks.common.learning.checkpoints import PhaseCheckpoints
from tasks.common.learning.keras_loop import fit_keras
from tasks.common.learning.trainer import TrainerParams, start_keras
from tasks.common.model.keras_file import import_keras
from tasks.prostate.model.architecture import build, network_input
from tasks.prostate.model.losses import loss_function
from tasks.prostate.model.scoring import gland_mask
from tasks.prostate.train.augmentation import augment
from tasks.prostate.train.network import overlap_measure

TRAINER = TrainerParams(
    device="cpu",
    threads=1,
    precision="float32",
    compile=False,
    accumulate_batches=1,
    deterministic=True,
    checkpoint_seconds=1e6,
    fast_dev_run=False,
    devices=1,
    nodes=1,
)
CHANNELS = [8, 16, 32]


@pytest.fixture(autouse=True, scope="module")
def tensorflow() -> None:
    """Before TensorFlow computes anything: about 6 s, because it is imported."""
    start_keras(TRAINER, 0)


def parameters_of_convolutions(*layers: tuple[int, int, int], bias: bool) -> int:
    """Weights of (size, from, to) convolutions, with a bias or with the four numbers of a batch normalisation each."""
    return sum(size**2 * a * b + (b if bias else 4 * b) for size, a, b in layers)


def double(a: int, b: int) -> list[tuple[int, int, int]]:
    return [(3, a, b), (3, b, b)]


def test_the_u_net_has_the_parameters_of_its_layers():
    a, b, c = CHANNELS
    normed = [*double(1, a), *double(a, b), *double(b, c), *double(2 * b, b), *double(2 * a, a)]
    plain = [(2, c, b), (2, b, a), (1, a, 1)]
    expected = parameters_of_convolutions(*normed, bias=False) + parameters_of_convolutions(*plain, bias=True)
    assert build("unet", 32, CHANNELS).count_params() == expected == 29_801


def test_the_attention_u_net_has_those_of_its_gates_too():
    a, b, c = CHANNELS
    gates = 0
    for skip, gate in ((b, c), (a, b)):
        inner = skip // 2
        gates += 4 * skip * inner + (gate * inner + inner) + (inner + 1)
    assert build("attention_unet", 32, CHANNELS).count_params() == build("unet", 32, CHANNELS).count_params() + gates


def test_the_resunet_a_has_a_branch_for_each_dilation_that_fits():
    def residual(channels: int, branches: int) -> int:
        return branches * 2 * (4 * channels + 9 * channels**2 + channels)

    def pyramid(channels: int, scales: int) -> int:
        part = channels // 4
        parts = scales * (channels * part + 4 * part)
        return parts + (channels + scales * part) * channels + 4 * channels

    a, b, c = CHANNELS
    # At 32 pixels the dilations 31 and, at 16 pixels, 15 reach past the picture; at 8 pixels 1 and 3 remain.
    blocks = 2 * residual(a, 3) + 2 * residual(b, 2) + residual(c, 2)
    plain = [(1, 1, a), (1, a, b), (1, b, c), (2, c, b), (2, b, a), (1, a, 1)]
    joins = parameters_of_convolutions((1, 2 * b, b), (1, 2 * a, a), (1, 2 * a, a), bias=False)
    expected = blocks + pyramid(c, 4) + pyramid(a, 4) + joins + parameters_of_convolutions(*plain, bias=True)
    assert build("resunet_a", 32, CHANNELS).count_params() == expected


@pytest.mark.parametrize("architecture", ["unet", "attention_unet", "resunet_a"])
@pytest.mark.parametrize(("side", "channels"), [(32, [4, 8]), (48, [4, 4, 8, 8, 8])])
def test_every_pixel_gets_a_logit(architecture, side, channels):
    model = build(architecture, side, channels)
    assert model.input_shape == (None, side, side, 1)
    logits = np.asarray(model(np.random.default_rng(0).normal(size=(3, side, side, 1)).astype(np.float32)))
    assert logits.shape == (3, side, side, 1)
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()
    assert logits.std() > 0


@pytest.mark.parametrize("architecture", ["unet", "attention_unet", "resunet_a"])
def test_layers_have_the_same_names_however_many_models_there_were(architecture):
    one, other = (build(architecture, 32, [4, 8]) for _ in range(2))
    assert one.to_json() == other.to_json()
    assert len({layer.name for layer in one.layers}) == len(one.layers)


def eight_discs() -> tuple[np.ndarray, np.ndarray]:
    """Eight noisy slices (8, 32, 32, 1) with a disc each, and their masks; one slice is empty."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:32, :32]
    places = [(*rng.uniform(10, 22, 2), rng.uniform(5, 8)) for _ in range(7)]
    masks = np.stack([*((rows - y) ** 2 + (columns - x) ** 2 < r**2 for y, x, r in places), np.zeros((32, 32), bool)])
    images = np.where(masks, 0.5, -0.5) + rng.normal(0, 0.4, masks.shape)
    return images[..., None].astype(np.float32), masks[..., None].astype(np.float32)


def learn(architecture: str, loss: str, folder, steps: int, focus: float = 4 / 3) -> list[dict[str, float]]:
    import_keras().utils.set_random_seed(0)
    images, masks = eight_discs()
    # Few epochs, because each ends with a validation and a checkpoint.
    eight_times = Batches(np.concatenate([images] * 8), np.concatenate([masks] * 8), 8)
    model = build(architecture, 32, [8, 16])
    history: list[dict[str, float]] = []
    fit_keras(
        model,
        import_keras().optimizers.Adam(0.02),
        eight_times,
        Batches(images, masks, 8),
        loss=loss_function(loss, 0.7, focus),
        measure=overlap_measure(),
        epochs=steps // 8,
        trainer=TRAINER,
        log_epoch=history.append,
        checkpoints=PhaseCheckpoints(folder, "test"),
    )
    return history


@pytest.mark.parametrize("loss", ["cross_entropy", "dice", "tversky", "focal_tversky"])
def test_every_loss_learns_eight_slices_by_heart(tmp_path, loss):
    """About 3 s each: the network is traced anew for each loss.

    Focal Tversky is the 0.75th power of Tversky, so that it falls more slowly.
    """
    history = learn("unet", loss, tmp_path, 80 if loss == "focal_tversky" else 40)
    assert history[-1]["train/loss"] < history[0]["train/loss"] / 10
    assert history[-1]["train/dice"] > 0.98
    assert history[-1]["train/dice"] == pytest.approx(2 / (1 + 1 / history[-1]["train/iou"]))


@pytest.mark.parametrize("architecture", ["attention_unet", "resunet_a"])
def test_the_other_networks_learn_them_too(tmp_path, architecture):
    """About 8 s each, nearly all of it the tracing."""
    history = learn(architecture, "dice", tmp_path, 40)
    assert history[-1]["train/loss"] < history[0]["train/loss"] / 10
    assert history[-1]["train/dice"] > 0.98


def draw(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2, (3, 4, 4, 1)).astype(np.float32), rng.normal(0, 2, (3, 4, 4, 1)).astype(np.float32)


@pytest.mark.parametrize("seed", range(3))
def test_the_losses_are_what_their_papers_say(seed):
    targets, logits = draw(seed)
    p = expit(logits.astype(float))
    hit, missed, added = (p * targets).sum(), ((1 - p) * targets).sum(), (p * (1 - targets)).sum()

    def value(name, *settings):
        return float(loss_function(name, *settings)(targets, logits))

    assert value("cross_entropy", 0.7, 1.0) == pytest.approx(log_loss(targets.ravel(), p.ravel()), rel=1e-5)
    assert value("dice", 0.7, 1.0) == pytest.approx(1 - (2 * hit + 2) / (2 * hit + missed + added + 2), rel=1e-5)
    tversky = 1 - (hit + 1) / (hit + 0.7 * missed + 0.3 * added + 1)
    assert value("tversky", 0.7, 1.0) == pytest.approx(tversky, rel=1e-5)
    assert value("focal_tversky", 0.7, 2.0) == pytest.approx(tversky**0.5, rel=1e-5)
    assert value("focal_tversky", 0.7, 1.0) == pytest.approx(tversky, rel=1e-5)


@pytest.mark.parametrize("loss", ["cross_entropy", "dice", "tversky", "focal_tversky"])
def test_a_batch_without_gland_has_a_finite_loss_and_slope(loss):
    import tensorflow as tf

    for targets, certainty in ((0.0, -60.0), (0.0, 0.0), (1.0, 60.0)):
        logits = tf.Variable(np.full((2, 4, 4, 1), certainty, np.float32))
        with tf.GradientTape() as tape:
            value = loss_function(loss, 0.7, 4 / 3)(tf.fill((2, 4, 4, 1), targets), logits)
        assert np.isfinite(value)
        assert np.isfinite(tape.gradient(value, logits)).all()
        if certainty:
            assert value < 1e-3


def test_bytes_and_z_scores_become_input_about_0():
    assert network_input(np.array([[[0, 255]]], np.uint8)).ravel().tolist() == [-1, 1]
    scores = np.array([[[-1.5, 2.0]]], np.float32)
    assert np.array_equal(network_input(scores)[..., 0], scores)


def test_only_the_largest_part_is_kept():
    probabilities = np.zeros((3, 8, 8), np.float32)
    probabilities[:, 1:4, 1:4] = 0.9
    probabilities[0, 6, 6] = probabilities[1, 4, 4] = 0.6
    assert gland_mask(probabilities, 0.5, False).sum() == 29
    assert gland_mask(probabilities, 0.5, True).sum() == 27
    assert gland_mask(probabilities, 0.7, False).sum() == 27
    assert gland_mask(probabilities, 0.95, True).sum() == 0


def test_augmentation_moves_image_and_mask_together():
    rng = np.random.default_rng(0)
    images = rng.normal(size=(64, 16, 16, 1)).astype(np.float32)
    masks = (images > 0.5).astype(np.float32)
    before = images.copy()
    moved, moved_masks = augment(images, masks, 0.5, 0.0, 3, np.random.default_rng(1))
    assert np.array_equal(images, before)
    assert np.array_equal((moved > 0.5), moved_masks > 0)
    assert sum(not np.array_equal(a, b) for a, b in zip(moved, images, strict=True)) > 55
    flipped, _ = augment(images, masks, 1.0, 0.0, 0, np.random.default_rng(1))
    assert np.array_equal(flipped, images[:, :, ::-1])


def test_brightness_changes_images_only():
    images, masks = np.ones((500, 2, 2, 1), np.float32), np.ones((500, 2, 2, 1), np.float32)
    brighter, same = augment(images, masks, 0.0, 0.2, 0, np.random.default_rng(0))
    assert np.array_equal(same, masks)
    assert 0.6 <= brighter.min() < 0.7
    assert 1.3 < brighter.max() <= 1.4
    assert np.ptp(brighter, axis=(1, 2)).max() == 0


def test_the_measure_is_dice_over_all_pixels():
    outputs = np.array([[[[3.0]], [[-1.0]]], [[[2.0]], [[1.0]]]])
    targets = np.array([[[[1.0]], [[1.0]]], [[[0.0]], [[1.0]]]])
    measure = overlap_measure()
    rows = np.concatenate([measure.summarise(outputs[:1], targets[:1]), measure.summarise(outputs[1:], targets[1:])])
    assert measure.measure(rows) == {"dice": pytest.approx(4 / 6), "iou": pytest.approx(2 / 4)}
    assert measure.measure(np.zeros((2, 3))) == {"dice": 1.0, "iou": 1.0}
    assert math.isclose(measure.measure(np.array([[0.0, 4, 4]]))["dice"], 0)

"""Both training loops, on one small training. About 10 s, because both frameworks are imported."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.common.stage.errors import TaskError
from tests.tasks.common.trainings import EVERY_STEP, FRAMEWORKS, StoppedError, Training, points

BATCHES_OF_AN_EPOCH = 7  # Of 8 points, the last of 2.


@pytest.fixture(params=FRAMEWORKS)
def framework(request: pytest.FixtureRequest) -> str:
    return request.param


def equal(one: Training, other: Training) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one.weights(), other.weights(), strict=True))


def close(one: Training, other: Training, tolerance: float) -> bool:
    return all(np.allclose(a, b, atol=tolerance) for a, b in zip(one.weights(), other.weights(), strict=True))


def interrupt(training: Training, before_step: int) -> None:
    training.stop_before_step = before_step
    with pytest.raises(StoppedError):
        training.run()
    training.stop_before_step = None


_WHOLE: dict[str, Training] = {}


@pytest.fixture
def whole(framework: str, tmp_path_factory: pytest.TempPathFactory) -> Training:
    """A training that nothing interrupted."""
    if framework not in _WHOLE:
        _WHOLE[framework] = Training(framework, tmp_path_factory.mktemp("whole")).run()
    return _WHOLE[framework]


@pytest.mark.parametrize("before_step", [3, 7, 20])
def test_an_interrupted_training_ends_as_a_whole_one(framework, whole, tmp_path, before_step):
    other = Training(framework, tmp_path / "other", trainer={"checkpoint_seconds": EVERY_STEP})
    interrupt(other, before_step)
    other.run()
    assert equal(other, whole)
    assert other.history == whole.history
    assert other.steps == list(range(before_step, 3 * BATCHES_OF_AN_EPOCH))
    assert (other.best.epoch, other.best.metrics) == (whole.best.epoch, whole.best.metrics)


def test_interruptions_with_accumulated_batches_and_workers(framework, tmp_path):
    settings = {"accumulate_batches": 2, "checkpoint_seconds": EVERY_STEP}
    whole = Training(framework, tmp_path / "whole", num_workers=2, trainer=settings).run()
    other = Training(framework, tmp_path / "other", trainer=settings)
    interrupt(other, 2)
    interrupt(other, 5)
    other.run()
    assert whole.steps == list(range(12))
    assert equal(other, whole)
    assert other.history == whole.history


def test_without_checkpoints_inside_an_epoch_the_epoch_is_done_again(framework, whole, tmp_path):
    other = Training(framework, tmp_path / "other")
    interrupt(other, 2 * BATCHES_OF_AN_EPOCH - 1)
    other.run()
    assert other.steps[0] == BATCHES_OF_AN_EPOCH
    assert equal(other, whole)


def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before_and_says_so(framework, whole, tmp_path, capsys):
    other = Training(framework, tmp_path / "other", trainer={"checkpoint_seconds": EVERY_STEP})
    interrupt(other, 12)
    newest = sorted(other.folder.iterdir())[-1]
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    capsys.readouterr()
    other.run()
    said = capsys.readouterr().err
    assert f"{newest.name} is damaged and not used" in said
    assert "going on after batch 4 of 7 in epoch 2" in said
    assert other.steps[0] == 11
    assert equal(other, whole)


def test_no_usable_checkpoint_is_a_start_from_the_beginning_and_said(framework, whole, tmp_path, capsys):
    other = Training(framework, tmp_path / "other", trainer={"checkpoint_seconds": EVERY_STEP})
    interrupt(other, 12)
    for path in other.folder.iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    capsys.readouterr()
    other.run()
    assert capsys.readouterr().err.count("is damaged and not used") == 2
    assert other.steps[0] == 0
    assert equal(other, whole)


def test_a_complete_training_is_not_done_again(framework, tmp_path, capsys):
    first = Training(framework, tmp_path).run()
    number = np.random.random()
    again = Training(framework, tmp_path).run()
    assert again.steps == []
    assert "train points: done already" in capsys.readouterr().err
    assert again.history == first.history
    assert equal(again, first)
    # What comes next, such as another phase, draws the same numbers too.
    assert np.random.random() == number


def test_checkpoints_of_another_model_are_one_sentence(framework, tmp_path):
    Training(framework, tmp_path).run()
    (path,) = sorted(tmp_path.iterdir())[-1:]
    from safetensors.numpy import load_file

    from tasks.common.learning.checkpoints import PhaseCheckpoints, Snapshot

    snapshot = PhaseCheckpoints(tmp_path, "train points").newest()
    assert snapshot is not None
    smaller = {name: array[:1] if array.ndim else array for name, array in load_file(path).items()}
    PhaseCheckpoints(tmp_path, "train points").write(Snapshot(smaller, snapshot.record))
    with pytest.raises(TaskError, match="holds checkpoints of another model; remove the folder"):
        Training(framework, tmp_path).run()


def test_the_number_of_workers_changes_nothing(framework, tmp_path):
    none, one, three = (Training(framework, tmp_path / str(n), num_workers=n).run() for n in (0, 1, 3))
    assert equal(none, one)
    assert equal(none, three)
    assert none.history == one.history == three.history


def test_accumulated_batches_are_one_large_batch(framework, tmp_path):
    """50 points in batches of 8: groups of 4 and 3 batches, of 32 and 18 points."""
    settings = {"dropout": 0.0, "noise": 0.0, "optimizer": "SGD", "rate_at": lambda step: 0.3}
    large = Training(framework, tmp_path / "large", batch_size=32, **settings).run()
    small = Training(framework, tmp_path / "small", batch_size=8, trainer={"accumulate_batches": 4}, **settings)
    small.run()
    assert large.steps == small.steps == list(range(6))
    untrained = Training(framework, tmp_path / "untrained", epochs=1, optimizer="SGD", rate_at=lambda step: 0.0).run()
    assert not close(large, untrained, 0.05)
    assert close(large, small, 1e-5)


def test_the_loss_and_accuracy_of_an_epoch_are_means_over_its_examples(framework, tmp_path):
    training = Training(framework, tmp_path, epochs=1, dropout=0.0, optimizer="SGD", rate_at=lambda step: 0.0).run()
    inputs, targets = points("validation")
    scores = softmax(logits_of(training, inputs))
    assert training.history[0]["val/loss"] == pytest.approx(-np.log(scores[np.arange(21), targets]).mean(), rel=1e-5)
    assert training.history[0]["val/accuracy"] == (scores.argmax(axis=1) == targets).mean()


def test_the_weights_left_are_those_of_the_best_epoch(framework, tmp_path):
    """The second epoch spoils the model: its steps are enormous."""
    one = Training(framework, tmp_path / "one", epochs=1).run()
    spoilt = Training(
        framework, tmp_path / "spoilt", epochs=2, rate_at=lambda s: 0.02 / (1 + s) if s < BATCHES_OF_AN_EPOCH else 9.0
    ).run()
    assert spoilt.best.epoch == 0
    assert spoilt.history[1]["val/loss"] > spoilt.history[0]["val/loss"]
    assert equal(spoilt, one)


def test_without_validation_the_weights_left_are_those_of_the_last_epoch(framework, tmp_path):
    """The second epoch spoils the model, and nothing is there to tell."""
    spoiling = {"epochs": 2, "rate_at": lambda s: 0.02 / (1 + s) if s < BATCHES_OF_AN_EPOCH else 9.0}
    watched = Training(framework, tmp_path / "watched", **spoiling).run()
    blind = Training(framework, tmp_path / "blind", validates=False, **spoiling).run()
    assert watched.best.epoch == 0
    assert blind.best.epoch == 1
    assert blind.best.validation() == {}
    assert [set(metrics) for metrics in blind.history] == [{"train/loss", "train/accuracy"}] * 2
    assert all(one.items() <= two.items() for one, two in zip(blind.history, watched.history, strict=True))
    assert not equal(blind, watched)
    again = Training(framework, tmp_path / "blind", validates=False, **spoiling).run()
    assert again.steps == []
    assert equal(again, blind)


def test_a_training_that_diverges_is_one_sentence(framework, tmp_path):
    """With checkpoints inside the epoch too, which cannot hold what is no number."""
    for seconds in (1e9, EVERY_STEP):
        settings = {"optimizer": "SGD", "rate_at": lambda step: 1e30, "dropout": 0.0}
        training = Training(framework, tmp_path / str(seconds), trainer={"checkpoint_seconds": seconds}, **settings)
        with pytest.raises(TaskError, match="diverged; lower the learning rate"):
            training.run()


def test_fast_dev_run_is_one_batch_of_one_epoch(framework, tmp_path):
    training = Training(framework, tmp_path, trainer={"fast_dev_run": True, "accumulate_batches": 3}).run()
    assert training.steps == [0]
    assert len(training.history) == 1
    assert training.history[0]["val/accuracy"] * 8 == int(training.history[0]["val/accuracy"] * 8)


def test_a_training_leaves_two_checkpoints(framework, tmp_path):
    Training(framework, tmp_path, trainer={"checkpoint_seconds": EVERY_STEP}).run()
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_lower_precision_learns_too_and_is_another_number(framework, tmp_path, precision):
    settings = {"epochs": 12, "dropout": 0.0, "rate_at": lambda step: 0.02}
    full = Training(framework, tmp_path / "full", **settings).run()
    lower = Training(framework, tmp_path / "lower", trainer={"precision": precision}, **settings).run()
    assert lower.history[-1]["train/loss"] < lower.history[0]["train/loss"] / 2
    assert lower.history[-1]["val/loss"] == pytest.approx(full.history[-1]["val/loss"], rel=0.1)
    assert lower.history != full.history
    assert {array.dtype for array in lower.weights()} == {np.dtype(np.float32)}


def test_lower_precision_goes_on_exactly(framework, tmp_path):
    settings = {"precision": "float16", "checkpoint_seconds": EVERY_STEP}
    whole = Training(framework, tmp_path / "whole", trainer=settings).run()
    other = Training(framework, tmp_path / "other", trainer=settings)
    interrupt(other, 10)
    assert equal(other.run(), whole)
    assert other.history == whole.history


def test_compiled_steps_learn_the_same_up_to_rounding(framework, tmp_path):
    """About 20 s for PyTorch, which writes C++ and has it compiled."""
    settings = {"dropout": 0.0, "epochs": 2, "batch_size": 25}
    plain = Training(framework, tmp_path / "plain", **settings).run()
    compiled = Training(framework, tmp_path / "compiled", trainer={"compile": True}, **settings).run()
    assert close(plain, compiled, 1e-4)
    assert compiled.history[-1]["val/loss"] == pytest.approx(plain.history[-1]["val/loss"], rel=1e-4)


def logits_of(training: Training, inputs: np.ndarray) -> np.ndarray:
    if training.framework == "torch":
        import torch

        with torch.no_grad():
            return training.model(torch.from_numpy(inputs)).numpy()
    return training.model(inputs).numpy()


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits.astype(np.float64))
    return powers / powers.sum(axis=1, keepdims=True)

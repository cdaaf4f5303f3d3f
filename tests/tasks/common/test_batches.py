from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.common.learning.batches import Batches
from tasks.common.stage.errors import TaskError


def pair(inputs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return inputs, targets


def noisy(inputs: np.ndarray, targets: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return inputs + rng.random(inputs.shape), targets


def numbers(n: int, size: int, seed: int | None, workers: int = 0, transform=None) -> Batches:
    return Batches(np.arange(n) * 10.0, np.arange(n), size, seed, transform, workers)


def of_epoch(batches: Batches, epoch: int, start: int = 0) -> list[tuple[list[float], list[int]]]:
    return [(i.tolist(), t.tolist()) for i, t in batches.epoch(epoch, start, len(batches), pair)]


sizes = st.integers(1, 60)


@given(sizes, sizes, st.none() | st.integers(0, 2**32), st.integers(0, 5), st.integers(0, 3))
def test_an_epoch_has_every_example_once(n, size, seed, epoch, workers):
    batches = numbers(n, size, seed, workers)
    made = of_epoch(batches, epoch)
    assert len(made) == len(batches)
    assert [len(t) for _, t in made[:-1]] == [size] * (len(made) - 1)
    targets = [target for _, ts in made for target in ts]
    assert sorted(targets) == list(range(n))
    assert [value for i, _ in made for value in i] == [target * 10 for target in targets]
    if seed is None:
        assert targets == sorted(targets)


@given(sizes, st.integers(1, 9), st.integers(0, 9), st.integers(0, 3), st.data())
def test_an_epoch_can_begin_at_any_batch(n, size, seed, workers, data):
    batches = numbers(n, size, seed, workers, noisy)
    start = data.draw(st.integers(0, len(batches)))
    assert of_epoch(batches, 2, start) == of_epoch(numbers(n, size, seed, 0, noisy), 2)[start:]


def test_epochs_seeds_and_batches_differ():
    one = numbers(40, 8, 1, transform=noisy)
    assert of_epoch(one, 0) != of_epoch(one, 1)
    assert of_epoch(one, 0) != of_epoch(numbers(40, 8, 2, transform=noisy), 0)
    assert of_epoch(one, 3) == of_epoch(one, 3)
    fixed = Batches(np.zeros(40), np.arange(40), 8, 1, noisy)
    drawn = [tuple(i) for i, _ in of_epoch(fixed, 0) + of_epoch(fixed, 1)]
    assert len(set(drawn)) == len(drawn)


def test_memory_mapped_inputs_are_read_batch_by_batch(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(24, dtype=np.uint8).reshape(12, 2))
    inputs = np.load(tmp_path / "a.npy", mmap_mode="r")
    for made, _ in Batches(inputs, np.arange(12), 5, 3).epoch(0, 0, 3, pair):
        assert not made.flags["OWNDATA"] or made.base is None
        made[:] = 0  # A copy: the file stays as it is.
    assert np.load(tmp_path / "a.npy")[-1, -1] == 23


def test_workers_make_batches_ahead_of_their_use():
    """The first batch is only given out once another was made: without workers this would wait for ever."""
    second_made = threading.Event()

    def transform(inputs, targets, rng):
        if 0 in targets:
            assert second_made.wait(60)
        else:
            second_made.set()
        return inputs, targets

    batches = Batches(np.arange(4.0), np.arange(4), 1, None, transform, 2)
    assert [t.tolist() for _, t in batches.epoch(0, 0, 4, pair)] == [[0], [1], [2], [3]]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_in_a_transform_reaches_the_training(workers):
    def transform(inputs, targets, rng):
        if 5 in targets:
            raise TaskError("image 5 is gone")
        return inputs, targets

    made = Batches(np.arange(9.0), np.arange(9), 2, None, transform, workers).epoch(0, 0, 5, pair)
    assert len([next(made), next(made)]) == 2
    with pytest.raises(TaskError, match="image 5 is gone"):
        list(made)


def test_workers_end_when_the_training_does():
    before = threading.active_count()
    made = numbers(50, 1, 1, 3).epoch(0, 0, 50, pair)
    next(made)
    made.close()
    assert threading.active_count() == before


def test_no_examples_and_too_few_targets_are_errors():
    with pytest.raises(TaskError, match="no examples"):
        numbers(0, 4, 1)
    with pytest.raises(ValueError, match="3 inputs for 2 targets"):
        Batches(np.zeros(3), np.zeros(2), 1)

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.common.learning.batches import Batches
from tasks.common.learning.checkpoints import training_name
from tasks.common.learning.nodes import place_of
from tasks.common.learning.ranks import ALONE, Rank, become, gather, part_of
from tasks.common.learning.trainer import TrainerParams, threads_of
from tasks.common.stage.errors import TaskError
from tasks.common.stage.paths import TaskPaths
from tests.tasks.common.trainings import PLAIN

counts = st.integers(1, 9)


@pytest.fixture(autouse=True)
def _alone_afterwards() -> Iterator[None]:
    yield
    become(ALONE)


@given(st.integers(0, 200), counts)
def test_parts_are_everything_in_order_and_of_nearly_one_size(n, count):
    parts = [list(range(n))[part_of(n, number, count)] for number in range(count)]
    assert [item for part in parts for item in part] == list(range(n))
    sizes = {len(part) for part in parts}
    assert max(sizes) - min(sizes) <= 1


@given(st.integers(1, 60), counts)
def test_every_example_is_computed_and_reported_once_and_the_weights_are_their_number(n, count):
    ranks = [Rank(number, count) for number in range(count)]
    computed = [np.arange(n)[rank.computed(n)] for rank in ranks]
    assert all(len(part) > 0 for part in computed)
    reported = [part[rank.counted(n)].tolist() for rank, part in zip(ranks, computed, strict=True)]
    assert [example for part in reported for example in part] == list(range(n))
    assert sum(rank.weight(n) for rank in ranks) == pytest.approx(n)
    # The mean loss of what each computed, by these weights, is the mean over all.
    losses = np.arange(n) ** 2.0
    of_ranks = [losses[rank.computed(n)].mean() * rank.weight(n) for rank in ranks]
    assert sum(of_ranks) / n == pytest.approx(losses.mean())
    assert sum(map(len, computed)) == n * ranks[0].copies(n) if n < count else sum(map(len, computed)) == n


@given(st.lists(st.integers(0, 5), min_size=1, max_size=5), st.integers(1, 4), st.integers(0, 2**32))
def test_gathered_rows_are_those_of_all_ranks_in_order(sizes, width, seed):
    rows = [np.random.default_rng(seed + number).normal(size=(size, width)) for number, size in enumerate(sizes)]
    found = together(lambda rank, total: gather(total, rank, rows[rank.number]), len(sizes))
    for array in found:
        np.testing.assert_array_equal(array, np.concatenate(rows))


def together(work, count: int) -> list[np.ndarray]:
    """What `work` comes to in threads that stand for ranks, with a sum that waits for all of them."""
    barrier = threading.Barrier(count)
    given_by: dict[int, np.ndarray] = {}
    found: dict[int, np.ndarray] = {}

    def of_rank(number: int) -> None:
        def total(array: np.ndarray) -> np.ndarray:
            barrier.wait(20)
            given_by[number] = array
            barrier.wait(20)
            assert {given.shape for given in given_by.values()} == {array.shape}
            return sum(given_by[other] for other in range(count))

        found[number] = work(Rank(number, count), total)

    threads = [threading.Thread(target=of_rank, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return [found[number] for number in range(count)]


@given(st.integers(1, 40), st.integers(1, 12), counts, st.sampled_from(["none", "plain", "noisy", "spawning"]))
def test_ranks_have_the_slices_of_what_one_has(n, size, count, kind):
    seen: list[int] = []

    def transform(inputs, targets, rng):
        seen.append(len(inputs))
        rng = rng.spawn(1)[0] if kind == "spawning" else rng
        noise = rng.random(inputs.shape) if kind != "plain" else 0.0
        return inputs + noise, targets * 2

    def epoch(rank: Rank) -> list[tuple[np.ndarray, np.ndarray]]:
        become(rank)
        batches = Batches(np.arange(n) * 1.0, np.arange(n), size, 3, None if kind == "none" else transform)
        assert [batches.size(number) for number in range(len(batches))] == sizes_of(n, size)
        return list(batches.epoch(1, 0, len(batches), lambda inputs, targets: (inputs, targets)))

    whole = epoch(ALONE)
    seen.clear()
    for number in range(count):
        rank = Rank(number, count)
        for (inputs, targets), (of_rank, targets_of_rank) in zip(whole, epoch(rank), strict=True):
            np.testing.assert_array_equal(of_rank, inputs[rank.computed(len(inputs))])
            np.testing.assert_array_equal(targets_of_rank, targets[rank.computed(len(inputs))])
    if kind == "plain" and n % size == 0 and size >= count:
        # Where nothing is drawn, no rank prepares another's examples.
        assert sum(seen) == n


def sizes_of(n: int, size: int) -> list[int]:
    return [size] * (n // size) + ([n % size] if n % size else [])


SLURM = {"SLURM_PROCID": "1", "SLURM_NTASKS": "3", "SLURM_NODELIST": "gpu[07-09]", "SLURM_JOB_ID": "123456"}
TORCHRUN = {"RANK": "2", "WORLD_SIZE": "3", "MASTER_ADDR": "first", "MASTER_PORT": "29400"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (SLURM, (1, "gpu07", 23456)),
        (SLURM | {"SLURM_NODELIST": "login,gpu[1-2]"}, (1, "login", 23456)),
        (SLURM | {"SLURM_NODELIST": "a[3,5-6],b"}, (1, "a3", 23456)),
        (SLURM | {"SLURM_NODELIST": "node-1.lab"}, (1, "node-1.lab", 23456)),
        (TORCHRUN, (2, "first", 29400)),
        # torchrun itself listens at the port that it tells.
        (TORCHRUN | {"TORCHELASTIC_RUN_ID": "x"}, (2, "first", 29401)),
        (TORCHRUN | SLURM, (2, "first", 29400)),
    ],
)
def test_the_environment_says_which_machine_this_is(environment, expected):
    place = place_of(3, environment)
    assert (place.node, place.host, place.port) == expected
    assert place.nodes == 3


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({}, "nothing says which of them this machine is"),
        ({"RANK": "0", "WORLD_SIZE": "3"}, "nothing says which of them this machine is"),
        (
            SLURM | {"SLURM_NTASKS": "6"},
            "nodes is 3, but SLURM_PROCID is 1 and SLURM_NTASKS is 6; start one process on each machine",
        ),
        (TORCHRUN | {"RANK": "3"}, "nodes is 3, but RANK is 3"),
        (TORCHRUN | {"RANK": "-1"}, 'RANK is "-1", which is no number'),
        (SLURM | {"SLURM_NODELIST": "[07-09]"}, "which is no list of hosts"),
    ],
)
def test_an_environment_that_cannot_be_is_one_sentence(environment, sentence):
    with pytest.raises(TaskError, match=sentence.replace("[", r"\[")):
        place_of(3, environment)


def test_one_machine_needs_no_environment_and_asks_none():
    assert place_of(1, SLURM).node == 0


def trainer(**changes: object) -> TrainerParams:
    return TrainerParams(**(PLAIN | changes))


@pytest.mark.parametrize(("threads", "on_machine", "expected"), [(4, 1, 4), (4, 2, 2), (5, 2, 2), (1, 3, 1)])
def test_the_threads_are_those_of_the_machine(threads, on_machine, expected):
    become(Rank(0, on_machine, on_machine=on_machine))
    assert threads_of(trainer(threads=threads)) == expected


def test_another_number_of_ranks_is_another_training(tmp_path):
    names = {
        training_name(TaskPaths(tmp_path, "digits"), "a" * 64, trainer(devices=devices, nodes=nodes))
        for devices, nodes in [(1, 1), (2, 1), (1, 2)]
    }
    assert len(names) == 3


def test_one_device_is_what_is_trained_on_if_nothing_is_said():
    assert (trainer().devices, trainer().nodes) == (1, 1)

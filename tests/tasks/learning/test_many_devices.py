"""One training on several processes: over gloo and TensorFlow's collectives. About 4 minutes on two cores."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.tasks.learning.driving import (
    assert_close,
    assert_equal,
    fail,
    is_running,
    make_checkout,
    pids_of,
    results,
    start,
    train,
    wait_until,
)

# Float32 sums of other orders: 4e-6 was the largest difference seen.
TOLERANCE = 5e-5


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkout(tmp_path_factory.mktemp("checkout"))


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_ranks_come_to_what_one_comes_to(source, tmp_path, framework):
    """With augmentation, batch statistics, accumulated batches and a last batch of fewer examples than ranks."""
    settings = {"normalise": True, "epochs": 2}
    one = train(source, tmp_path / "one", framework, trainer={"accumulate_batches": 2}, **settings)
    several = train(
        source, tmp_path / "several", framework, trainer={"accumulate_batches": 2, "devices": 3}, **settings
    )
    assert_close(one, several, TOLERANCE)
    # And that is something.
    _, (first, second) = results(one)
    assert second["train/loss"] < first["train/loss"] - 0.1
    assert [path for path in (tmp_path / "several/made").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_an_interrupted_training_of_ranks_ends_as_a_whole_one(source, tmp_path, framework):
    """With dropout, for which every rank has numbers of its own, and a kill of one rank within the second epoch."""
    settings = {"dropout": 0.4, "trainer": {"devices": 2, "checkpoint_seconds": 1e-9}}
    whole = train(source, tmp_path / "whole", framework, **settings)
    torn = tmp_path / "torn"
    code, said = fail(source, torn, framework, act=["kill", 1, 10], **settings)
    assert code == 2
    (sentence,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert "rank-1: was ended by SIGKILL" in sentence
    assert not (torn / "weights.npz").exists()
    assert not any(is_running(pid) for pid in pids_of(torn, 2))
    train(source, torn, framework, **{**settings, "act": ["nothing", -1, -1]})
    assert_equal(whole, torn)
    steps = [int(line) for line in (torn / "steps-0").read_text().split()]
    assert sorted(set(steps)) == list(range(21))
    assert len(steps) < 24


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_ranks_draw_numbers_of_their_own_for_dropout(source, tmp_path, framework):
    """Of two examples that are the same, each rank has one: the same numbers would drop the same of both."""
    settings = {"alike": True, "batch_size": 2, "rate": 0.0, "epochs": 1, "trainer": {"devices": 2}}
    _, (metrics,) = results(train(source, tmp_path, framework, dropout=0.5, **settings))
    assert metrics["train/unlike"] > 1


@pytest.mark.parametrize(("what", "number"), [("fail", 0), ("crash", 1)])
def test_a_rank_that_fails_ends_the_others_with_its_sentence(source, tmp_path, what, number):
    code, said = fail(source, tmp_path, "torch", trainer={"devices": 2}, act=[what, number, 3])
    assert code == 2
    last = said.splitlines()[-1]
    start_of_it = f"error: train points points, points: rank-{number}: "
    assert last.startswith(start_of_it)
    expected = "the third photograph is gone; fetch it again." if what == "fail" else "ValueError: boom"
    assert expected in last
    assert not any(is_running(pid) for pid in pids_of(tmp_path, 2))


def test_a_divergence_is_one_sentence(source, tmp_path):
    code, said = fail(source, tmp_path, "torch", trainer={"devices": 2}, rate=1e30)
    assert code == 2
    assert said.splitlines()[-1].endswith("the training diverged; lower the learning rate.")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_rank_outlives_the_process_that_started_it(source, tmp_path, number):
    process = start(source, tmp_path, "torch", trainer={"devices": 2}, act=["wait", 1, 4])
    pids = pids_of(tmp_path, 2)
    wait_until(lambda: (tmp_path / "acted").exists())
    assert all(map(is_running, pids))
    process.send_signal(number)
    assert process.wait(60) != 0
    wait_until(lambda: not any(map(is_running, pids)))
    assert not (tmp_path / "weights.npz").exists()

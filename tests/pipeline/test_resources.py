"""Sharing cores and GPUs: never more than there are, the first in line first, and nobody waits for ever."""

from __future__ import annotations

import threading
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.config import Config, Resources
from pawl.errors import InputError
from pawl.pipeline.resources import Need, Pool, Shares, need_of

CPUS, GPUS = 4, ("0", "1", "2")
needs = st.builds(Need, st.integers(1, CPUS), st.integers(0, len(GPUS)))


@given(st.lists(st.tuples(needs, st.integers(0, 3)), min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_nothing_is_given_twice_and_everybody_is_served(
    requests: list[tuple[Need, int]], random: threading.local
) -> None:
    """Requests come in, some end after each, in any order; in the end all were served."""
    shares, running, served = Shares(CPUS, GPUS), list[tuple[Need, tuple[str, ...]]](), list[int]()

    def serve() -> None:
        for need, who, gpus in shares.grant():
            assert len(gpus) == len(set(gpus)) == need.gpus
            running.append((need, gpus))
            served.append(who)
        held = [gpu for _, gpus in running for gpu in gpus]
        assert len(held) == len(set(held))
        assert set(held) <= set(GPUS)
        assert sum(need.cpus for need, _ in running) <= CPUS

    for who, (need, endings) in enumerate(requests):
        shares.ask(need, who)
        serve()
        for _ in range(min(endings, len(running))):
            shares.give_back(*running.pop(random.randrange(len(running))))  # type: ignore[attr-defined]
            serve()
    while running:
        shares.give_back(*running.pop())
        serve()
    assert sorted(served) == list(range(len(requests)))


@given(needs, st.lists(needs, min_size=1, max_size=8), st.lists(needs, max_size=6))
def test_nobody_is_overtaken_for_ever(wide: Need, stream: list[Need], before: list[Need]) -> None:
    """Whatever keeps coming in behind it, a request is served after a bounded number of endings."""
    shares, running = Shares(CPUS, GPUS), deque[tuple[Need, tuple[str, ...]]]()
    for need in before:
        shares.ask(need, "before")
    running.extend((need, gpus) for need, _, gpus in shares.grant())
    shares.ask(wide, "wide")
    for turn in range(200):
        granted = shares.grant()
        running.extend((need, gpus) for need, _, gpus in granted)
        if any(who == "wide" for _, who, _ in granted):
            break
        shares.ask(stream[turn % len(stream)], "behind")
        if running:
            shares.give_back(*running.popleft())
    else:
        raise AssertionError("it waits for ever")
    assert turn <= len(before) + 3 * CPUS


def test_who_waits_for_a_gpu_lets_pass_only_who_wants_none() -> None:
    shares = Shares(2, ("0",))
    for name, gpus in (("trains", 1), ("waits", 1), ("waits too", 1), ("plain", 0)):
        shares.ask(Need(1, gpus), name)
    assert [who for _, who, _ in shares.grant()] == ["trains", "plain"]
    shares.give_back(Need(1, 1), ("0",))
    assert [who for _, who, _ in shares.grant()] == ["waits"]


def test_a_wide_one_is_not_passed_by_narrow_ones() -> None:
    shares = Shares(2, ())
    for name, cpus in (("narrow", 1), ("wide", 2), ("another", 1)):
        shares.ask(Need(cpus, 0), name)
    assert [who for _, who, _ in shares.grant()] == ["narrow"]
    shares.give_back(Need(1, 0), ())
    assert [who for _, who, _ in shares.grant()] == ["wide"]


def test_the_most_urgent_is_served_first_and_equally_urgent_ones_in_their_order() -> None:
    shares = Shares(1, ())
    for name, urgency in (("runs", 0.0), ("first", 1.0), ("second", 1.0), ("most", 9.0), ("least", 0.5)):
        shares.ask(Need(1, 0), name, urgency)
        if name == "runs":
            assert [who for _, who, _ in shares.grant()] == ["runs"]
    served = []
    for _ in range(4):
        shares.give_back(Need(1, 0), ())
        served += [who for _, who, _ in shares.grant()]
    assert served == ["most", "first", "second", "least"]


def test_the_pool_starts_what_waits_as_soon_as_there_is_room() -> None:
    pool = Pool(1, ("7",))
    first_may_end, seen = threading.Event(), list[str]()

    def first(gpus: tuple[str, ...]) -> int:
        seen.extend(gpus)
        assert first_may_end.wait(60)
        return 1

    first_done = pool.submit(Need(1, 1), first)
    second_done = pool.submit(Need(1, 1), lambda gpus: seen.append("second") or 2)
    assert not second_done.done()
    first_may_end.set()
    assert (first_done.result(60), second_done.result(60)) == (1, 2)
    assert seen == ["7", "second"]
    with pytest.raises(ZeroDivisionError):
        pool.submit(Need(1, 0), lambda gpus: 1 // 0).result(60)
    assert pool.submit(Need(1, 1), lambda gpus: gpus).result(60) == ("7",), "what failed gave back what it had"


def test_a_pool_that_is_stopped_waits_for_what_runs_and_starts_nothing() -> None:
    pool = Pool(1, ())
    begun = list[str]()

    def first(gpus: tuple[str, ...]) -> None:
        begun.append("first")
        assert pool.stopped.wait(60)
        begun.append("first ended")

    pool.submit(Need(1, 0), first)
    never = pool.submit(Need(1, 0), lambda gpus: begun.append("second"))
    pool.stop()
    assert begun == ["first", "first ended"]
    assert not never.done()
    assert not pool.submit(Need(1, 0), lambda gpus: begun.append("third")).done()
    assert begun == ["first", "first ended"]


@given(
    st.builds(Resources, cpus=st.integers(1, 50), gpus=st.none() | st.integers(0, 20)),
    st.integers(1, 16),
    st.integers(0, 8),
)
def test_a_need_can_always_be_met(wanted: Resources, jobs: int, gpus: int) -> None:
    need, remark = need_of(wanted, jobs, gpus)
    assert 1 <= need.cpus <= jobs
    assert 0 <= need.gpus <= gpus
    if wanted.gpus is None:
        assert need.gpus == (gpus if jobs == 1 else min(1, gpus))
    else:
        assert need.gpus == min(wanted.gpus, gpus)
    assert ("GPUs" in remark) == (gpus > 0 and (wanted.gpus or 0) > gpus)


def test_the_first_pattern_counts() -> None:
    config = Config(
        resources={"train@big*": Resources(cpus=4), "train@*": Resources(gpus=2), "plain": Resources(gpus=0)}
    )
    assert config.resources_of("train@bigger") == Resources(cpus=4, gpus=None)
    assert config.resources_of("train@small") == Resources(cpus=1, gpus=2)
    assert config.resources_of("plains") == Resources()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("resources: {train: {gpu: 1}}", 'unknown key "resources.train.gpu": did you mean "gpus"?'),
        ("resources: {train: {cpus: 0}}", '"resources.train.cpus" is 0: input should be greater than or equal to 1'),
        ("resources: {train: {gpus: -1}}", '"resources.train.gpus" is -1: input should be greater than or equal to 0'),
        ("resources: {train: {gpus: 0.5}}", '"resources.train.gpus" is 0.5: input should be a valid integer'),
        ("resources: [train]", '"resources" is'),
        ("resource: {}", 'unknown key "resource": did you mean "resources"?'),
    ],
)
def test_broken_resources_name_the_place(text: str, sentence: str) -> None:
    from pawl.config import parse_config

    with pytest.raises(InputError) as caught:
        parse_config(text, "pawl.yaml")
    assert sentence in str(caught.value)

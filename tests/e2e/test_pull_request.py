"""Pull requests from the push to the comment: the workflow itself, run by act against real servers on this machine."""

from __future__ import annotations

import pytest

from tests.e2e.world import World

pytestmark = pytest.mark.xdist_group("e2e")

RATE = "train:\n  # Step size.\n  rate: {}\n"


def test_an_improvement_is_commented_once_and_never_trained_twice(world: World) -> None:
    event = world.open_pull_request(7, "faster", {"params.yaml": RATE.format("2.0")}, "Raise the rate")
    run = world.run("pull_request", event, "runner-1")
    print(run.log[-30000:])
    for n, j in run.jobs.items():
        print(n, j.result, j.steps)
    print(world.record.read_text())
    print(world.github.bodies("acme/ct", 7)[0], world.github.state.statuses)
    assert 0

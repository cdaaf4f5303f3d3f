"""Killed at any call and done again, a promotion or a rollback ends as if it had not been. 30 s: each call is tried."""

from __future__ import annotations

import os
import signal

import pytest
from mlflow import MlflowClient

from pawl.registry.rollback import roll_back_champion
from tests.registry.breaking_in import Killed, Watched, at, counted, raise_killed
from tests.registry.site import PACKAGES, Site, promote, state


def test_killed_at_any_call_and_done_again_it_ends_the_same(site: Site) -> None:
    whole = site.name()
    promote(site, site.client(), whole, 1, "champion")
    steps = counted(site, lambda client: promote(site, client, whole, 2, "champion"))
    wanted = state(site.client(), whole)
    assert steps >= 10
    for number in range(steps):
        name = site.name()
        promote(site, site.client(), name, 1, "champion")
        with pytest.raises(Killed):
            promote(site, Watched(site.client(), at(number, raise_killed)), name, 2, "champion")
        promote(site, site.client(), name, 2, "champion")
        assert state(site.client(), name) == wanted, number


def test_a_first_promotion_killed_by_the_system_ends_the_same(site: Site) -> None:
    """With a process of its own, which is gone from one moment to the next."""
    whole = site.name()
    steps = counted(site, lambda client: promote(site, client, whole, 1, "champion"))
    wanted = state(site.client(), whole)
    for number in range(0, steps, 2):
        name = site.name()
        child = os.fork()
        if child == 0:
            try:
                die = at(number, lambda: os.kill(os.getpid(), signal.SIGKILL))
                promote(site, Watched(MlflowClient(tracking_uri=site.uri), die), name, 1, "champion")
            finally:
                os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        promote(site, site.client(), name, 1, "champion")
        assert state(site.client(), name) == wanted, number


def test_a_rollback_killed_anywhere_takes_back_one_champion_when_done_again(site: Site) -> None:
    def prepared() -> str:
        name = site.name()
        for order in (1, 2, 3):
            promote(site, site.client(), name, order, "champion")
        return name

    whole = prepared()
    steps = counted(site, lambda client: roll_back_champion(client, whole))
    for number in range(steps - 1):
        name = prepared()
        with pytest.raises(Killed):
            roll_back_champion(Watched(site.client(), at(number, raise_killed)), name)
        alias = int(site.client().get_registered_model(name).aliases["champion"])
        if alias == 3:
            roll_back_champion(site.client(), name)
        assert state(site.client(), name)["aliases"]["champion"] == PACKAGES[2], number

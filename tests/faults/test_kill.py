"""The job is killed at each of its steps and run again; 12 moments, about a minute and a half."""

from __future__ import annotations

import pytest

from tests.faults.documented import documented
from tests.faults.kill import MOMENTS, Moment, play_moments
from tests.faults.site import open_site


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[Moment, str | AssertionError]:
    with open_site(tmp_path_factory.mktemp("kill"), patience_seconds=60, warm=True) as site:
        return play_moments(site)


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: f"{moment.step}: {moment.title}")
def test_kill(moment: Moment, outcomes: dict[Moment, str | AssertionError]) -> None:
    outcome = outcomes[moment]
    if isinstance(outcome, AssertionError):
        raise outcome
    assert outcome == documented("Killed", f"{moment.step.lower()}: {moment.title}", "the second attempt")

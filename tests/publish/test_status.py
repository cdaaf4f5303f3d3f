"""The verdict as a commit status."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.errors import InputError, ServiceError
from pawl.publish.status import set_status, shortened
from tests.publish.desk import COMMIT, Desk


def test_a_status_arrives_whole(desk: Desk) -> None:
    set_status(
        desk.target(),
        COMMIT,
        "failure",
        "digits accuracy is worse",
        "pawl",
        url="https://x.test/1",
        patience=desk.patience(),
    )
    (status,) = desk.github.state.statuses
    assert (status.repository, status.sha, status.state) == ("acme/ct", COMMIT, "failure")
    assert (status.description, status.context) == ("digits accuracy is worse", "pawl")
    assert status.target_url == "https://x.test/1"


def test_a_push_without_a_pull_request_has_a_status(desk: Desk) -> None:
    set_status(desk.target(pull_request=None), COMMIT, "success", "better", "pawl", patience=desk.patience())
    assert len(desk.github.state.statuses) == 1


@given(st.text(max_size=400))
def test_a_description_is_one_line_within_githubs_limit(text: str) -> None:
    short = shortened(text)
    assert len(short) <= 140
    assert len(short.splitlines()) <= 1
    assert short == " ".join(text.split()) or short.endswith("…")


def test_a_long_description_is_taken(desk: Desk) -> None:
    set_status(desk.target(), COMMIT, "success", "word " * 100, "pawl", patience=desk.patience())
    assert desk.github.state.statuses[0].description.endswith("word…")


@pytest.mark.parametrize("fault", [{"status": 502}, {"how": "drop"}, {"status": 429, "headers": {"retry-after": "5"}}])
def test_it_is_sent_again_after_a_fault_that_passes(desk: Desk, fault: dict[str, object]) -> None:
    desk.github.fault("POST", "/statuses/", **fault)
    set_status(desk.target(), COMMIT, "success", "better", "pawl", patience=desk.patience(), progress=desk.said.append)
    assert len(desk.github.state.statuses) == 1
    assert len(desk.slept) == 1
    assert "set the status of cccccccccc" in desk.said[0]


def test_it_gives_up_after_its_tries(desk: Desk) -> None:
    desk.github.fault("POST", "/statuses/", times=-1, status=500)
    with pytest.raises(ServiceError, match="in 6 tries"):
        set_status(desk.target(), COMMIT, "success", "better", "pawl", patience=desk.patience())


def test_a_token_without_the_permission_is_told_which(desk: Desk) -> None:
    desk.github.add_token("ro", permissions={"pull_requests": "write"})
    with pytest.raises(InputError, match="statuses: write"):
        set_status(desk.target(token="ro"), COMMIT, "success", "better", "pawl", patience=desk.patience())


@pytest.mark.parametrize(("commit", "context"), [("main", "pawl"), (COMMIT, " "), (COMMIT, "x" * 101)])
def test_what_cannot_be_a_status_is_refused_before_any_request(desk: Desk, commit: str, context: str) -> None:
    with pytest.raises(InputError):
        set_status(desk.target(), commit, "success", "better", context)
    assert desk.github.requests() == []

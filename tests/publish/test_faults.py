"""What goes wrong between us and GitHub: exactly one comment, bounded waits, and errors that say what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pawl.errors import InputError, PawlError, ServiceError
from pawl.publish.retry import Patience
from tests.publish.desk import NOW, TOKEN, Desk

Text = Callable[..., str]

LIMITED = {"how": "answer", "status": 403, "message": "You have exceeded a secondary rate limit. Please wait."}
QUOTA = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOW) + 90)}
SECOND = 1.0

PASSING: list[tuple[dict[str, Any], float]] = [
    ({"status": 500}, SECOND),
    ({"status": 502, "applies": True}, SECOND),
    ({"status": 502, "raw": "<html>Unicorn!</html>"}, SECOND),
    ({"status": 503, "headers": {"retry-after": "7"}}, 8.0),
    ({"how": "drop"}, SECOND),
    ({"how": "drop", "applies": True}, SECOND),
    ({"how": "truncate"}, SECOND),
    ({"status": 200, "raw": '{"id": 1, ', "applies": True}, SECOND),
    ({"status": 200, "raw": "[]", "applies": True}, SECOND),
    ({"status": 502, "headers": {"x-ratelimit-remaining": "many", "x-ratelimit-limit": "few"}}, SECOND),
    ({"status": 408}, SECOND),
    ({"status": 429, "headers": {"retry-after": "11"}}, 12.0),
    ({"status": 403, "message": "Forbidden", "headers": {"retry-after": "13"}}, 14.0),
    (LIMITED, 61.0),
    ({"status": 403, "message": "API rate limit exceeded for installation", "headers": QUOTA}, 92.0),
]


@pytest.mark.parametrize(("fault", "seconds"), PASSING)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_fault_that_passes_leaves_exactly_one_comment(
    desk: Desk, ours: Text, method: str, fault: dict[str, Any], seconds: float
) -> None:
    if method == "PATCH":
        desk.add(ours())
    scripted = desk.github.fault(method, "/comments", **fault)
    posted = desk.post("the report")
    assert scripted.times == 0, "the fault must have happened"
    assert [body.split("\n")[0] for body in desk.bodies()] == ["the report"]
    assert posted.action == ("created" if method == "POST" else "updated")
    assert posted.attempts == (1 if fault.get("applies") or fault.get("how") == "truncate" else 2)
    assert desk.slept == [seconds]


@pytest.mark.parametrize("applies", [True, False])
def test_a_request_that_is_never_answered_leaves_exactly_one_comment(desk: Desk, applies: bool) -> None:
    desk.github.fault("POST", "/comments", how="hang", applies=applies)
    posted = desk.post(patience=desk.patience(request_seconds=1))
    assert posted.action == "created"
    assert len(desk.bodies()) == 1


def test_a_lost_answer_and_a_lagging_listing_together_leave_one_comment(desk: Desk) -> None:
    desk.github.state.lag_listings = 1
    desk.github.fault("POST", "/comments", how="drop", applies=True)
    posted = desk.post()
    assert len(desk.bodies()) == 1
    assert posted.duplicates_deleted == 1


@pytest.mark.parametrize(("fault", "seconds"), [p for p in PASSING if p[0].get("raw") != "[]"])
def test_reading_goes_on_after_a_fault_that_passes(
    desk: Desk, ours: Text, fault: dict[str, Any], seconds: float
) -> None:
    kept = desk.add(ours())
    desk.github.fault("GET", "/comments", **fault)
    assert desk.post().comment_id == kept
    assert desk.slept == [seconds]


def test_deleting_goes_on_after_a_lost_answer(desk: Desk, ours: Text) -> None:
    desk.add(ours(run=10))
    desk.add(ours(run=20))
    desk.github.fault("DELETE", how="drop", applies=True)
    assert desk.post().duplicates_deleted == 1
    assert len(desk.bodies()) == 1


def test_it_gives_up_after_its_tries(desk: Desk) -> None:
    desk.github.fault("POST", "/comments", times=-1, status=502)
    with pytest.raises(ServiceError, match=r"in 6 tries \(the last: 502 Server Error\): run the job again"):
        desk.post()
    assert desk.slept == [1.0, 2.0, 4.0, 8.0, 16.0]


def test_faults_in_turn_count_together(desk: Desk) -> None:
    desk.github.fault("POST", "/comments", times=3, status=502)
    desk.github.fault("POST", "/comments", times=-1, how="drop")
    with pytest.raises(ServiceError, match="in 6 tries"):
        desk.post()


def test_a_write_that_succeeds_begins_the_count_anew(desk: Desk, ours: Text) -> None:
    desk.add(ours(run=10))
    desk.add(ours(run=20))
    desk.github.fault("PATCH", times=4, status=502)
    desk.github.fault("DELETE", times=4, status=502)
    assert desk.post().duplicates_deleted == 1


def test_the_wait_of_all_requests_together_is_bounded(desk: Desk) -> None:
    desk.github.fault("", "", times=-1, status=429, headers={"retry-after": "100"})
    with pytest.raises(ServiceError, match="300 s"):
        desk.post()
    assert sum(desk.slept) <= 300


@pytest.mark.parametrize(
    ("headers", "until"),
    [
        ({"retry-after": "3600"}, "2027-01-15 09:00 UTC"),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOW) + 7200)}, "2027-01-15 10:00 UTC"),
        ({"retry-after": "999999999999"}, "for years"),
    ],
)
def test_a_limit_beyond_the_patience_is_said_at_once(desk: Desk, headers: dict[str, str], until: str) -> None:
    desk.github.fault("POST", "/comments", status=403, message="API rate limit exceeded", headers=headers)
    with pytest.raises(ServiceError, match=until):
        desk.post()
    assert desk.slept == []


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"status": 401, "message": "Bad credentials"}, "set a valid one"),
    ({"status": 403, "message": "Resource not accessible by integration"}, "pull-requests: write"),
    ({"status": 404, "message": "Not Found"}, "check the repository"),
    ({"status": 410, "message": "Gone"}, "administers"),
    ({"status": 422, "message": "Validation Failed"}, "not valid"),
    ({"status": 307, "message": "Moved", "headers": {"location": "/elsewhere"}}, "renamed or moved"),
    ({"status": 301, "message": "Moved", "headers": {"location": "https://other.test/x"}}, "renamed or moved"),
    ({"status": 403, "message": "Repository was archived so is read-only."}, "archived"),
]


@pytest.mark.parametrize(("fault", "remedy"), REFUSED)
def test_a_refusal_names_the_remedy_and_is_not_repeated(desk: Desk, fault: dict[str, Any], remedy: str) -> None:
    desk.github.fault("POST", "/comments", times=-1, **fault)
    with pytest.raises(InputError, match=remedy) as caught:
        desk.post()
    assert str(caught.value).count("\n") == 0
    assert desk.writes() == ["POST"]


def test_a_read_only_token_is_told_which_permission_it_needs(desk: Desk) -> None:
    desk.github.add_token("ro", permissions={"pull_requests": "read"})
    with pytest.raises(InputError, match=r"403 Resource not accessible by integration.*pull-requests: write"):
        desk.post(token="ro")
    assert desk.bodies() == []


def test_a_locked_conversation_is_named(desk: Desk) -> None:
    desk.github.state.pulls[("acme/ct", 7)].locked = True
    with pytest.raises(InputError, match="unlock the conversation"):
        desk.post()


def test_an_unknown_token_is_named(desk: Desk) -> None:
    with pytest.raises(InputError, match="401 Bad credentials"):
        desk.post(token="stranger")


def test_something_else_at_the_address_is_named(desk: Desk) -> None:
    desk.github.fault("GET", "/comments", status=200, raw='{"hello": "world"}')
    with pytest.raises(ServiceError, match="check GITHUB_API_URL"):
        desk.post()


def test_nothing_at_the_address_is_an_error_of_one_sentence(desk: Desk) -> None:
    with pytest.raises(ServiceError, match="in 6 tries"):
        desk.post(api_url="http://127.0.0.1:9")


@pytest.mark.parametrize("fault", [{"status": 403}, {"status": 422}, {"status": 502, "times": -1}, {"status": 503}])
def test_the_token_is_never_said(desk: Desk, fault: dict[str, Any]) -> None:
    desk.github.fault("POST", "/comments", message=f"echo {TOKEN}\n::error::x \x1b[2J", **fault)
    said = ""
    try:
        desk.post()
    except PawlError as error:
        said = str(error)
    assert TOKEN not in said + "".join(desk.said) + repr(desk.target())
    assert (said + "".join(desk.said)).isprintable()
    assert said or desk.said


def test_patience_is_real_time_by_default() -> None:
    import time

    assert (Patience().sleep, Patience().now) == (time.sleep, time.time)

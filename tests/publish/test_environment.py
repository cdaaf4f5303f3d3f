"""What GitHub Actions puts into a job, read for what it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pawl.errors import InputError
from pawl.publish.environment import Target, target_from_environment
from pawl.publish.mark import Stamp, compose, stamp_in

ENV = {"GITHUB_REPOSITORY": "acme/ct", "GITHUB_TOKEN": "t", "GITHUB_RUN_ID": "12", "GITHUB_RUN_ATTEMPT": "3"}


def with_event(tmp_path: Path, event: object, **env: str) -> dict[str, str]:
    path = tmp_path / "event.json"
    path.write_text(event if isinstance(event, str) else json.dumps(event), "utf-8")
    return ENV | {"GITHUB_EVENT_PATH": str(path)} | env


EVENTS: list[tuple[object, int | None]] = [
    ({"pull_request": {"number": 42}}, 42),
    ({"issue": {"number": 43, "pull_request": {"url": "x"}}, "comment": {"body": "/train"}}, 43),
    ({"issue": {"number": 43}}, None),
    ({"inputs": {"pull_request": "44"}}, 44),
    ({"inputs": {"pull_request": " #44 "}}, 44),
    ({"inputs": {"pull_request": ""}}, None),
    ({"inputs": None}, None),
    ({"workflow_run": {"id": 9, "run_attempt": 2, "pull_requests": [{"number": 45}]}}, 45),
    ({"workflow_run": {"id": 9, "run_attempt": 2, "pull_requests": [{"number": 45}, {"number": 46}]}}, None),
    ({"workflow_run": {"id": 9, "pull_requests": []}}, None),
    ({"ref": "refs/heads/main"}, None),
    ({"pull_request": {"number": True}}, None),
    ([], None),
]


@pytest.mark.parametrize(("event", "number"), EVENTS)
def test_the_pull_request_of_an_event(tmp_path: Path, event: object, number: int | None) -> None:
    assert target_from_environment(with_event(tmp_path, event)).pull_request == number


def test_the_run_is_the_one_that_trained(tmp_path: Path) -> None:
    event = {"workflow_run": {"id": 9, "run_attempt": 2, "pull_requests": []}}
    trained = target_from_environment(with_event(tmp_path, event))
    own = target_from_environment(with_event(tmp_path, {}))
    assert ((trained.run, trained.attempt), (own.run, own.attempt)) == ((9, 2), (12, 3))


def test_outside_a_workflow_there_is_no_run() -> None:
    target = target_from_environment({"GITHUB_REPOSITORY": "acme/ct", "GITHUB_TOKEN": "t"}, pull_request=1)
    assert target == Target("acme/ct", 1, "https://api.github.com", "t", None, 1)


def test_what_is_given_goes_before_the_environment(tmp_path: Path) -> None:
    env = with_event(tmp_path, {"pull_request": {"number": 1}}, GITHUB_API_URL="https://one.test/api/v3")
    target = target_from_environment(
        env, repository="other/repo", pull_request=2, api_url="https://two.test/api/v3/", token="given"
    )
    assert target == Target("other/repo", 2, "https://two.test/api/v3", "given", 12, 3)


def test_repo_token_goes_before_github_token_as_in_cml() -> None:
    assert target_from_environment(ENV | {"REPO_TOKEN": "r\n"}).token == "r"


@pytest.mark.parametrize(
    ("server", "api"),
    [("https://github.com", "https://api.github.com"), ("https://git.test/", "https://git.test/api/v3")],
)
def test_the_api_follows_from_the_server(server: str, api: str) -> None:
    assert target_from_environment(ENV | {"GITHUB_SERVER_URL": server}).api_url == api


@pytest.mark.parametrize(
    ("more", "start"),
    [
        ({}, "https://github.com"),
        ({"GITHUB_API_URL": "https://git.test/api/v3"}, "https://git.test"),
        ({"GITHUB_SERVER_URL": "https://git.test/", "GITHUB_API_URL": "https://api.git.test"}, "https://git.test"),
    ],
)
def test_people_see_the_repository_at_the_server(more: dict[str, str], start: str) -> None:
    target = target_from_environment(ENV | more)
    assert target.web_url == f"{start}/{target.repository}"
    assert target.run_url == f"{start}/{target.repository}/actions/runs/{target.run}/attempts/{target.attempt}"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"GITHUB_REPOSITORY": ""}, "GITHUB_REPOSITORY"),
        ({"GITHUB_REPOSITORY": "acme/../ct"}, "owner/name"),
        ({"GITHUB_REPOSITORY": "acme/.."}, "owner/name"),
        ({"GITHUB_REPOSITORY": "acme/ct?x=1"}, "owner/name"),
        ({"GITHUB_TOKEN": " "}, "github.token"),
        ({"GITHUB_TOKEN": "a b"}, "copy it again"),
        ({"GITHUB_TOKEN": "a\r\nX-Evil: 1"}, "copy it again"),
        ({"GITHUB_API_URL": "http://git.test/api/v3"}, "unencrypted"),
        ({"GITHUB_API_URL": "ftp://git.test"}, "GITHUB_API_URL"),
        ({"GITHUB_API_URL": "https://"}, "GITHUB_API_URL"),
        ({"GITHUB_API_URL": "https://git.test:port"}, "GITHUB_API_URL"),
        ({"GITHUB_API_URL": "https://user:hunter2@git.test"}, "GITHUB_API_URL"),
        ({"GITHUB_API_URL": "https://git.test/?a=b"}, "GITHUB_API_URL"),
    ],
)
def test_what_is_missing_or_malformed_is_named(change: dict[str, str], named: str) -> None:
    with pytest.raises(InputError, match=named) as caught:
        target_from_environment(ENV | change)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("given_input", ["x", "-1", "1; rm", "9" * 30])
def test_a_dispatch_with_something_else_than_a_number_is_named(tmp_path: Path, given_input: str) -> None:
    with pytest.raises(InputError, match="dispatch it again"):
        target_from_environment(with_event(tmp_path, {"inputs": {"pull_request": given_input}}))


def test_a_number_below_one_is_named() -> None:
    with pytest.raises(InputError, match="no pull request's number"):
        target_from_environment(ENV, pull_request=0)


@pytest.mark.parametrize("text", ["", "{", '"\udce9'.encode("utf-8", "surrogateescape").decode("latin-1"), "[" * 9_999])
def test_an_event_that_is_not_json_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="GITHUB_EVENT_PATH"):
        target_from_environment(with_event(tmp_path, text))


def test_an_event_file_that_is_gone_is_no_event() -> None:
    assert target_from_environment(ENV | {"GITHUB_EVENT_PATH": "/nowhere/event.json"}).pull_request is None


KEYS = st.sampled_from(
    ["pull_request", "number", "issue", "inputs", "workflow_run", "pull_requests", "id", "run_attempt"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(KEYS, JSON))
def test_any_event_gives_a_target_or_an_input_error(tmp_path: Path, event: dict[str, Any]) -> None:
    try:
        target = target_from_environment(with_event(tmp_path, event))
    except InputError:
        return
    assert target.pull_request is None or target.pull_request >= 1
    stamp = Stamp(target.run, target.attempt, "c" * 40)
    assert stamp_in(compose("x", "pawl", stamp), "pawl") == stamp


def test_the_token_is_not_in_the_representation() -> None:
    assert "hunter2" not in repr(target_from_environment(ENV | {"GITHUB_TOKEN": "hunter2"}))

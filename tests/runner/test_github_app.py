"""What the supervisor's connection makes of everything GitHub may answer; the fake's clock and ours as they are set."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.runner.errors import LONGEST_SECONDS, REFUSED_SECONDS, Clock, RunnerError, pause_seconds
from pawl.runner.github_app import GitHubApp
from pawl.runner.settings import load_settings, read_key
from tests.fakes.github import FakeGitHub
from tests.runner.machine import Machine, app_key

TOKENS = "/access_tokens$"
MAKING = "/generate-jitconfig$"


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with FakeGitHub() as github:
        yield Machine(tmp_path / "machine", github)


def connect(machine: Machine, clock: Clock | None = None, **changes: Any) -> GitHubApp:
    settings = load_settings(machine.write_settings(**changes))
    return GitHubApp(settings, read_key(settings), clock or Clock())


def trouble(app: GitHubApp, name: str = "one") -> RunnerError:
    with pytest.raises(RunnerError) as caught:
        app.register(name)
    assert "ghs_" not in str(caught.value)
    assert "PRIVATE" not in str(caught.value)
    return caught.value


def test_a_runner_is_made_with_the_labels_asked_for_and_removed(machine: Machine) -> None:
    app = connect(machine, labels=["self-hosted", "a100"])
    runner = app.register("one")
    known = machine.runners.runners[runner.id]
    assert (known.name, known.labels, known.owner) == ("one", ["self-hosted", "a100"], "repos/acme/ct")
    assert app.remove(runner.id) == "removed"
    assert app.remove(runner.id) == "gone"
    known.job = 1
    machine.runners.runners[runner.id] = known
    assert app.remove(runner.id) == "busy"


def test_an_organizations_runner_needs_the_organizations_permission_and_no_other(machine: Machine) -> None:
    app = connect(machine, repository=None, organization="acme")
    assert machine.runners.runners[app.register("one").id].owner == "orgs/acme"
    assert machine.runners.granted == [{"permissions": {"organization_self_hosted_runners": "write"}}]


@pytest.mark.parametrize("offset_seconds", [-3600.0, -90.0, 90.0, 3600.0, 86_400.0 * 365])
def test_a_wrong_clock_is_corrected_by_githubs(machine: Machine, offset_seconds: float) -> None:
    machine.runners.clock_offset_seconds = offset_seconds
    app = connect(machine)
    assert app.register("one").name == "one"
    assert app.skew_seconds == pytest.approx(offset_seconds, abs=3)
    app.register("two")
    assert len(machine.runners.granted) == 1  # the token still counts as fresh, by GitHub's clock


def test_a_token_is_used_until_shortly_before_its_end(machine: Machine) -> None:
    ahead = 0.0
    app = connect(machine, Clock(wall=lambda: time.time() + ahead))
    app.register("one")
    for ahead, tokens in ((3000.0, 1), (3400.0, 2)):
        machine.runners.clock_offset_seconds = ahead
        app.register(f"at {ahead}")
        assert len(machine.runners.granted) == tokens


def test_a_token_that_was_withdrawn_is_replaced_once(machine: Machine) -> None:
    app = connect(machine)
    app.register("one")
    machine.github.state.tokens.clear()
    app.register("two")
    assert len(machine.runners.granted) == 2
    machine.github.fault("POST", MAKING, times=-1, status=401)
    assert trouble(app, "three").kind == "refused"


def test_a_key_that_is_not_the_apps(machine: Machine) -> None:
    machine.runners.apps["12"].public_key = machine.runners.apps["12"].public_key.replace("A", "B", 1)
    error = trouble(connect(machine))
    assert error.kind == "refused"
    assert "do not belong together" in str(error)
    assert "app.pem" in str(error)
    assert len(machine.github.requests("POST", TOKENS)) == 2  # one more try, with GitHub's clock


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"installation_id": 99}, "Installed GitHub Apps"),
        ({"repository": "acme/other"}, "acme/other among what it is installed on"),
        ({"app_id": 13}, "app_id 13 and the key"),
    ],
)
def test_what_is_set_wrongly_is_named(machine: Machine, changes: dict[str, Any], words: str) -> None:
    error = trouble(connect(machine, **changes))
    assert error.kind == "refused"
    assert words in str(error)


def test_a_permission_that_is_missing_is_named(machine: Machine) -> None:
    machine.runners.apps["12"].permissions = {"administration": "read", "metadata": "read"}
    assert "Administration: read and write" in str(trouble(connect(machine)))


@pytest.mark.parametrize("status", [403, 404])
def test_a_refusal_to_make_a_runner(machine: Machine, status: int) -> None:
    machine.github.fault("POST", MAKING, status=status, message="Resource not accessible by integration")
    error = trouble(connect(machine))
    assert error.kind == "refused"
    assert "Administration: read and write" in str(error)
    assert "runner group 1" in str(error)


@pytest.mark.parametrize("path", [TOKENS, MAKING])
@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500},
        {"status": 502, "raw": "<html>"},
        {"status": 429},
        {"how": "drop"},
        {"how": "truncate"},
        {"status": 201, "raw": "[]"},
        {"status": 201, "raw": "{}"},
    ],
    ids=str,
)
def test_what_may_pass_is_tried_again_and_then_works(machine: Machine, path: str, fault: dict[str, Any]) -> None:
    app = connect(machine)
    machine.github.fault("POST", path, **fault)
    assert trouble(app).kind == "passing"
    assert app.register("two").name == "two"


def test_a_name_that_is_taken_passes_because_the_next_is_another(machine: Machine) -> None:
    app = connect(machine)
    app.register("one")
    assert trouble(app, "one").kind == "passing"


def test_nobody_listens(machine: Machine) -> None:
    assert trouble(connect(machine, api_url="http://127.0.0.1:9")).kind == "passing"


def test_a_redirection_gets_no_token(machine: Machine) -> None:
    machine.github.fault("POST", MAKING, status=307, headers={"Location": "http://127.0.0.1:9/elsewhere"})
    error = trouble(connect(machine))
    assert error.kind == "refused"
    assert "api_url" in str(error)


@pytest.mark.parametrize(
    ("status", "headers", "least_seconds"),
    [(503, {"Retry-After": "77"}, 77), (429, {"Retry-After": "77"}, 77), (403, {"Retry-After": "900"}, 900)],
)
def test_retry_after_is_honoured(machine: Machine, status: int, headers: dict[str, str], least_seconds: float) -> None:
    machine.github.fault("POST", MAKING, status=status, headers=headers)
    error = trouble(connect(machine))
    assert error.kind == "passing"
    assert least_seconds <= pause_seconds(error, 1, 0.5) < least_seconds * 2


@given(failures=st.integers(1, 10_000), jitter=st.floats(0, 1), asked=st.floats(0, 1e6))
def test_pauses(failures: int, jitter: float, asked: float) -> None:
    error = RunnerError("x", "passing", asked)
    pause = pause_seconds(error, failures, jitter)
    assert max(1.0, asked) <= pause <= max(LONGEST_SECONDS, asked + 1)
    if asked == 0 and failures > 1 and pause < LONGEST_SECONDS / 2:
        assert pause == pytest.approx(2 * pause_seconds(error, failures - 1, jitter))
    refused = pause_seconds(RunnerError("x", "refused", asked), failures, jitter)
    assert max(REFUSED_SECONDS, asked) <= refused <= max(REFUSED_SECONDS, asked) * 1.5


def test_check_makes_a_runner_and_removes_it(machine: Machine) -> None:
    done = machine.run("--check")
    assert done.returncode == 0, done.stderr
    assert "runners for acme/ct can be made and removed" in done.stdout
    assert len(machine.runners.names) == 1
    assert machine.runners.runners == {}


def test_check_says_what_is_wrong_in_one_sentence(machine: Machine) -> None:
    machine.runners.apps["12"].permissions = {}
    machine.runners.clock_offset_seconds = 500
    done = machine.run("--check")
    assert done.returncode == 2
    assert done.stderr.startswith("error: GitHub will not let in the App 12")
    assert len(done.stderr.splitlines()) == 1


def test_a_key_that_others_can_read_is_refused(machine: Machine) -> None:
    key = machine.folder / "app.pem"
    for mode in (0o640, 0o604, 0o620):
        key.chmod(mode)
        done = machine.run()
        assert done.returncode == 2
        assert "chmod 600" in done.stderr
        assert not machine.github.requests()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a file of another user")
def test_a_key_of_another_user_is_refused(machine: Machine) -> None:
    os.chown(machine.folder / "app.pem", 12_345, 12_345)
    assert "chown root" in machine.run().stderr


def test_what_is_no_key_is_refused(machine: Machine) -> None:
    (machine.folder / "app.pem").write_bytes(app_key()[0].replace(b"M", b"N"))
    assert "no RSA private key" in machine.run().stderr

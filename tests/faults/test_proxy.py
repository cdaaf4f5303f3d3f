"""The proxy does what its faults say, seen by a client on the other side."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from tests.fakes.github import FakeGitHub
from tests.faults.proxy import Fault, FaultProxy, Kind


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    with FakeGitHub() as server:
        server.add_token("t")
        server.add_pull_request("acme/ct", 7)
        yield server


@pytest.fixture
def proxy(github: FakeGitHub) -> Iterator[FaultProxy]:
    with FaultProxy(github.url) as server:
        yield server


def post(proxy: FaultProxy, seconds: float = 5) -> int:
    url = f"{proxy.url}/repos/acme/ct/issues/7/comments"
    request = urllib.request.Request(url, data=b'{"body": "hello"}', headers={"Authorization": "token t"})
    with urllib.request.urlopen(request, timeout=seconds) as answer:
        answer.read()
        return int(answer.status)


def test_without_a_fault_the_true_answer_passes(proxy: FaultProxy, github: FakeGitHub) -> None:
    assert post(proxy) == 201
    assert github.bodies("acme/ct", 7) == ["hello"]
    assert proxy.requests == [("POST", "/repos/acme/ct/issues/7/comments")]


@pytest.mark.parametrize(
    ("kind", "error", "comments"),
    [
        ("refuse", ConnectionRefusedError, 0),
        ("hang", TimeoutError, 0),
        ("reset", ConnectionResetError, 0),
        ("cut", http.client.IncompleteRead, 1),
        ("500", urllib.error.HTTPError, 0),
        ("429", urllib.error.HTTPError, 0),
        ("hold", TimeoutError, 1),
    ],
)
def test_a_fault_strikes_as_often_as_it_says(
    proxy: FaultProxy, github: FakeGitHub, kind: Kind, error: type[Exception], comments: int
) -> None:
    proxy.fault = Fault(kind, times=1)
    with pytest.raises((error, urllib.error.URLError)) as caught:
        post(proxy, seconds=0.5)
    cause = getattr(caught.value, "reason", None)
    assert isinstance(caught.value, error) or isinstance(cause, error)
    if isinstance(caught.value, urllib.error.HTTPError):
        assert (str(caught.value.code), caught.value.headers["Retry-After"]) == (kind, "1" if kind == "429" else None)
    assert len(github.bodies("acme/ct", 7)) == comments
    assert (proxy.struck, proxy.reached.is_set()) == ((0, False) if kind == "refuse" else (1, True))
    if kind == "refuse":
        proxy.fault = None
    assert post(proxy) == 201


def test_a_slow_answer_is_whole_and_a_trickling_one_has_no_end(proxy: FaultProxy) -> None:
    proxy.fault = Fault("slow", times=1)
    assert post(proxy) == 201
    proxy.fault = Fault("trickle", times=1)
    # Every byte comes in good time: a limit for each of them is never reached.
    connection = http.client.HTTPConnection(proxy.url.removeprefix("http://"), timeout=2)
    connection.request("GET", "/repos/acme/ct/issues/7/comments", headers={"Authorization": "token t"})
    assert connection.sock is not None
    assert connection.sock.recv(9) == b"H"
    assert connection.sock.recv(9) == b"T"
    connection.close()


def test_a_fault_is_for_what_it_names(proxy: FaultProxy) -> None:
    proxy.fault = Fault("500", times=1, skip=1, method="POST", path="/comments$")
    assert post(proxy) == 201
    with pytest.raises(urllib.error.HTTPError):
        post(proxy)
    assert post(proxy) == 201

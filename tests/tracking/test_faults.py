"""A server that is down, slow, broken or lying gets every point once all the same; counted on a real one.

One that is killed under twenty runs is in `tests.server.test_faults`, with its database and its store.
"""

from __future__ import annotations

import shutil
import socket
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from pawl.tracking.cursor import cursor_of
from pawl.tracking.deliver import deliver
from pawl.tracking.events import Artifact, Begun, Closed, Complete, Ended, Event, Points, Tags
from pawl.tracking.process import Deliverer
from pawl.tracking.spool import Spool, digest_of
from tests.faults.proxy import Fault, FaultProxy
from tests.tracking.servers import Server

EXPERIMENT = "faults"
POINTS = 1_000


class LyingProxy(FaultProxy):
    """In place of a 500 it says yes: with `lie` for an answer, and without asking the server."""

    lie = "{}"

    def _fail(self, connection: socket.socket, fault: Fault, raw: bytes) -> None:
        if fault.kind != "500":
            super()._fail(connection, fault, raw)
            return
        self.reached.set()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(self.lie)}\r\n\r\n"
        connection.sendall((head + self.lie).encode())


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
    monkeypatch.setenv("PAWL_PATIENCE_SECONDS", "240")


def write_spool(folder: Path, name: str, count: int = POINTS) -> list[Event]:
    """A parent with one stage of `count` points and one file, all of it in a spool that nobody writes any more."""
    file = folder / "files" / "note.txt"
    file.parent.mkdir(parents=True)
    file.write_text(name)
    begun = int(time.time() * 1_000)
    parent, run = f"parent-{name}", f"run-{name}"
    points = [("loss", 1 / (1 + n), n, begun + n) for n in range(count)]
    events: list[Event] = [
        Begun(run=parent, name=name, kind="parent", experiment=EXPERIMENT, at_ms=begun, tags={}),
        Begun(
            run=run,
            name=name,
            kind="stage",
            parent=parent,
            experiment=EXPERIMENT,
            key=f"key-{name}",
            at_ms=begun,
            tags={},
        ),
        *(Points(run=run, points=tuple(points[start : start + 100])) for start in range(0, count, 100)),
        Artifact(run=run, path="files/note.txt", sha256=digest_of(file), to="notes/note.txt"),
        Ended(run=run, status="FINISHED", at_ms=begun + count),
        Complete(run=run, key=f"key-{name}"),
        Tags(run=parent, values={"pawl.verdict": "better"}),
        Ended(run=parent, status="FINISHED", at_ms=begun + count),
        Closed(),
    ]
    spool = Spool(folder)
    spool.add(*events)
    spool.close()
    return events


def check(url: str, name: str, count: int = POINTS) -> None:
    """One parent and one complete run of that name, with every point and no other."""

    client = MlflowClient(tracking_uri=url)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    runs: list[Any] = list(client.search_runs([experiment.experiment_id], f"attributes.run_name = '{name}'"))
    kinds = Counter((run.data.tags["pawl.kind"], run.info.status) for run in runs)
    assert kinds == {("parent", "FINISHED"): 1, ("stage", "FINISHED"): 1}, kinds
    [run] = [run for run in runs if run.data.tags["pawl.kind"] == "stage"]
    [parent] = [run for run in runs if run.data.tags["pawl.kind"] == "parent"]
    assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert run.data.tags["pawl.stage_key"] == f"key-{name}"
    assert parent.data.tags["pawl.verdict"] == "better"
    history = client.get_metric_history(run.info.run_id, "loss")
    assert sorted((point.step, point.value) for point in history) == [(n, 1 / (1 + n)) for n in range(count)]
    assert [file.path for file in client.list_artifacts(run.info.run_id, "notes")] == ["notes/note.txt"]


FAULTS = {
    "says it is broken": Fault("500", times=4),
    "says it is busy": Fault("429", times=4),
    "hangs up": Fault("reset", times=4),
    "breaks off in an answer": Fault("cut", times=6),
    "is slow": Fault("slow", times=8),
    "makes a run and does not say so": Fault("hold", times=2, path="runs/create"),
    "takes points and does not say so": Fault("cut", times=3, path="log-batch", cut_bytes=0),
    "takes no files": Fault("500", times=3, method="PUT", path="artifacts/"),
}


def test_files_that_are_not_taken_hold_up_nothing_else(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = write_spool(tmp_path / "spool", "fileless")
    shutil.copytree(tmp_path / "spool" / "files", tmp_path / "early" / "files")
    [last] = [event for event in events if isinstance(event, Artifact)]
    spool = Spool(tmp_path / "early")
    spool.add(*events[:2], last.model_copy(update={"to": "first.txt"}), *events[2:])
    spool.close()
    client = MlflowClient(tracking_uri=server.url)
    with FaultProxy(server.url) as proxy:
        proxy.fault = Fault("500", method="PUT", path="artifacts/")
        monkeypatch.setenv("PAWL_PATIENCE_SECONDS", "3")
        assert not deliver([tmp_path / "early"], proxy.url)
        run_id = cursor_of(tmp_path / "early", proxy.url).value.runs["run-fileless"]
        assert len(client.get_metric_history(run_id, "loss")) == POINTS
        assert "pawl.stage_key" not in client.get_run(run_id).data.tags, "it is not whole"
        proxy.fault = None
        assert deliver([tmp_path / "early"], proxy.url)
    assert {file.path for file in client.list_artifacts(run_id)} == {"first.txt", "notes"}
    check(server.url, "fileless")


@pytest.mark.parametrize("what", FAULTS)
def test_a_server_that(what: str, server: Server, tmp_path: Path) -> None:
    name = what.replace(" ", "-")
    write_spool(tmp_path / "spool", name)
    with FaultProxy(server.url) as proxy:
        proxy.fault = FAULTS[what]
        assert deliver([tmp_path / "spool"], proxy.url)
        assert proxy.struck >= 2
        asked = len(proxy.requests)
        assert deliver([tmp_path / "spool"], proxy.url)
        assert len(proxy.requests) - asked < 5
    check(server.url, name)


@pytest.mark.parametrize(
    ("lie", "path"), [("<html>hello</html>", ""), ("{}", "log-batch"), ("[1]", "runs/")], ids=["rubbish", "yes", "json"]
)
def test_a_server_that_lies(lie: str, path: str, server: Server, tmp_path: Path) -> None:
    name = f"lies-{len(lie)}"
    write_spool(tmp_path / "spool", name)
    proxy = LyingProxy(server.url)
    proxy.lie = lie
    with proxy:
        proxy.fault = Fault("500", times=3, path=path)
        assert deliver([tmp_path / "spool"], proxy.url)
        assert proxy.struck == 3
    check(server.url, name)


def test_a_server_that_is_not_there_costs_less_than_a_second(tmp_path: Path) -> None:
    from pawl.tracking.process import unreachable

    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        assert unreachable(f"http://127.0.0.1:{deaf.getsockname()[1]}") is not None
    assert unreachable("http://no-such-host.invalid:5000") is not None
    assert unreachable("sqlite:////tmp/mlflow.db") is None


def test_a_server_that_goes_on_lying_is_not_believed_for_ever(server: Server, tmp_path: Path) -> None:
    write_spool(tmp_path / "spool", "liar", 100)
    with LyingProxy(server.url) as proxy:
        proxy.fault = Fault("500", path="log-batch")
        assert not deliver([tmp_path / "spool"], proxy.url)
        assert "points of loss that it took are not there" in cursor_of(tmp_path / "spool", proxy.url).value.reason
        proxy.fault = None
        assert deliver([tmp_path / "spool"], proxy.url)
    check(server.url, "liar", 100)


def test_two_deliverers_at_once(server: Server, tmp_path: Path) -> None:
    write_spool(tmp_path / "spool", "twice")
    both = [Deliverer([tmp_path / "spool"], server.url, None) for _ in range(2)]
    for one in both:
        one.wait(until_end=True)
    assert cursor_of(tmp_path / "spool", server.url).value.state == "delivering"
    check(server.url, "twice")
    # From another copy, which knows of nothing that was delivered, there is nothing new either.
    cursor_of(tmp_path / "spool", server.url).path.unlink()
    assert deliver([tmp_path / "spool"], server.url)
    check(server.url, "twice")

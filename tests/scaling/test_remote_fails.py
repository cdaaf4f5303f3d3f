"""The bucket by which machines hand results over fails for a while: what was made is kept and handed over later."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.storage import BUCKET, serve_bucket
from tests.faults.proxy import Fault, FaultProxy
from tests.pipeline.dag import runs, stage, wait_for
from tests.scaling.conftest import Machines
from tests.scaling.world import carried_out, make_work, order_for, reproduced

AWAY_SECONDS = 20


@pytest.fixture
def proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    with serve_bucket(tmp_path / "bucket") as url, FaultProxy(url) as proxy:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.url)
        yield proxy


def away_while_the_stage_runs(proxy: FaultProxy, at: Path) -> threading.Thread:
    """The bucket answers 500 from when the stage has begun; the stage goes on when that is so."""

    def fail() -> None:
        wait_for((at / "begun").exists)
        proxy.fault = Fault("500")
        (at / "away").touch()
        time.sleep(AWAY_SECONDS)
        proxy.fault = None

    thread = threading.Thread(target=fail)
    thread.start()
    return thread


def test_a_machine_hands_over_later_what_it_made(tmp_path: Path) -> None:
    """The client of a bucket asks again by itself for half a minute; that of a folder does not."""
    root = make_work(tmp_path / "work", {"a": stage("a", 'touch("begun")', 'wait_for("away")')})
    store = tmp_path / "store"

    def fail() -> None:
        wait_for((tmp_path / "at" / "begun").exists)
        store.write_text("no folder")
        (tmp_path / "at" / "away").touch()
        time.sleep(5)
        store.unlink()

    thread = threading.Thread(target=fail)
    thread.start()
    made, _ = carried_out(order_for(root, "a"), root, tmp_path / "one")
    thread.join()
    assert made.receipt is not None, made
    again, _ = carried_out(order_for(root, "a"), root, tmp_path / "two")
    assert (again.ran, runs(tmp_path)) == (False, ["a"])


def test_a_run_on_the_cluster_waits_for_it(proxy: FaultProxy, cluster: Machines, tmp_path: Path) -> None:
    cluster.only(0)
    cluster.add()  # a node that knows where the bucket is
    stages = {"a": stage("a", 'touch("begun")', 'wait_for("away")'), "b": stage("b", after=["a"])}
    root = make_work(tmp_path / "work", stages, url=f"gs://{BUCKET}/far")
    thread = away_while_the_stage_runs(proxy, tmp_path / "at")
    found = reproduced(root, cluster.address, [])
    thread.join()
    assert [stage.outcome for stage in found.stages] == ["trained", "trained"]
    assert runs(tmp_path) == ["a", "b"]

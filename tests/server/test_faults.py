"""Parts of the real server killed or out of room while trainings are delivered: all arrives, once. 2 to 4 minutes.

Delivered by spools and by the process that pawl starts for them; counted through MLflow's client.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pawl.server import store
from pawl.tracking.cursor import Cursor, cursor_of
from pawl.tracking.deliver import deliver
from pawl.tracking.names import experiments
from pawl.tracking.process import Deliverer
from pawl.tracking.spool import size_of
from tests.server.spools import POINTS, artifact_of, begin, check_delivered, finish, points_at, points_of, write_spool
from tests.server.stack import Stack, open_stack

REPOSITORY = "acme/faults"
EXPERIMENT = experiments(REPOSITORY).branches
_DEADLINE_SECONDS = 240


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with pytest.MonkeyPatch.context() as told, open_stack(repository=REPOSITORY) as stack:
        # As one who tracks pull requests: with no more rights than that.
        for name, value in stack.pull_requests.env.items():
            told.setenv(name, value)
        told.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
        told.setenv("PAWL_PATIENCE_SECONDS", str(_DEADLINE_SECONDS))
        yield stack


@pytest.fixture(autouse=True)
def _whole(stack: Stack) -> Iterator[None]:
    """What a test that failed has left dead does not fail the next."""
    yield
    for part in ("database", "store", "tracking"):
        stack.start(part)


def client_of(stack: Stack) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=stack.uri)


def wait_for(what: Callable[[], object], told: str) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while not what():
        assert time.monotonic() < deadline, told
        time.sleep(0.05)


def objects(stack: Stack, ending: str) -> list[str]:
    """The keys in the store that end so."""
    client = store.client(stack.running.standing.store_port, stack.running.passwords)
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=store.BUCKET)
    return [found["Key"] for page in pages for found in page.get("Contents", []) if found["Key"].endswith(ending)]


def standing(stack: Stack, folder: Path) -> Cursor:
    """How far that spool is."""
    return cursor_of(folder, stack.uri).value


def stage_runs(client: Any, name: str) -> list[Any]:
    """The runs of that stage."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    return list(client.search_runs([experiment.experiment_id], f"tags.`pawl.run` = 'stage-{name}'"))


@pytest.mark.parametrize("part", ["database", "tracking"])
def test_twenty_runs_while_a_part_is_killed_and_started_again(part: str, stack: Stack, tmp_path: Path) -> None:
    names = [f"{part}-{number}" for number in range(20)]
    contents = {name: name.encode() * 1_000 for name in names}
    for name in names:
        write_spool(tmp_path / name, EXPERIMENT, contents[name])
    results: dict[str, bool] = {}

    def work(name: str) -> None:
        results[name] = deliver([tmp_path / name], stack.uri)

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    wait_for(lambda: any(standing(stack, tmp_path / name).offset for name in names), "nothing is delivered")
    stack.kill(part)
    assert len(results) < len(names), "too quick to be killed in the middle"
    wait_for(lambda: any(standing(stack, tmp_path / name).state == "failing" for name in names), "nobody has noticed")
    stack.start(part)
    for thread in threads:
        thread.join()
    assert results == dict.fromkeys(names, True), [standing(stack, tmp_path / name).reason for name in names]
    client = client_of(stack)
    for name in names:
        check_delivered(client, EXPERIMENT, name, contents[name], tmp_path / "got" / name)
    ids = [run.info.run_id for name in names for run in stage_runs(client, name)]
    kept = objects(stack, "/models/weights.bin")
    assert [sum(f"/{run_id}/" in key for key in kept) for run_id in ids] == [1] * len(names)


def test_a_store_that_is_away(stack: Stack, tmp_path: Path) -> None:
    """Metrics go on, of the stage that has the file too. The file comes later, once."""
    client, content = client_of(stack), b"weights" * 10_000
    away, beside = tmp_path / "away", tmp_path / "beside"
    stack.kill("store")
    spool, begun = begin(away, EXPERIMENT)
    spool.add(*points_of(away, begun, 0, POINTS // 2), artifact_of(spool, content))
    deliverer = Deliverer([away], stack.uri, None)
    other, other_begun = begin(beside, EXPERIMENT)
    other.add(*points_of(beside, other_begun))
    other.close()
    assert deliver([beside], stack.uri)
    assert len(points_at(client, EXPERIMENT, "beside")) == POINTS
    wait_for(lambda: standing(stack, away).state == "failing", "nobody has noticed")
    # The training goes on meanwhile.
    spool.add(*points_of(away, begun, POINTS // 2, POINTS // 2))
    wait_for(lambda: len(points_at(client, EXPERIMENT, "away")) == POINTS, "the metrics wait for the file")
    stack.start("store")
    finish(spool, begun)
    assert deliverer.wait(until_end=True).offset == size_of(away)
    check_delivered(client, EXPERIMENT, "away", content, tmp_path / "got")
    [run] = stage_runs(client, "away")
    assert len(objects(stack, f"{run.info.run_id}/artifacts/models/weights.bin")) == 1


def test_a_store_without_room(stack: Stack, tmp_path: Path) -> None:
    client, content, folder = client_of(stack), b"weights" * 10_000, tmp_path / "full"
    write_spool(folder, EXPERIMENT, content)
    with stack.full_store():
        deliverer = Deliverer([folder], stack.uri, None)
        wait_for(lambda: standing(stack, folder).tries >= 3, "nobody has noticed")
        assert len(points_at(client, EXPERIMENT, "full")) == POINTS
        [run] = stage_runs(client, "full")
        # What is not whole is not said to be.
        assert "pawl.stage_key" not in run.data.tags
    assert deliverer.wait(until_end=True).offset == size_of(folder)
    check_delivered(client, EXPERIMENT, "full", content, tmp_path / "got")

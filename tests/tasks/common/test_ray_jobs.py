"""The executor ray, on a cluster of several nodes in this machine."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.ray_cluster import RayCluster, ray_cluster
from tests.support.slurm import can_hide
from tests.tasks.common.job_runs import (
    LINGER_AND_FAIL,
    draws,
    drive,
    environment_of,
    files_of,
    is_running,
    make_checkout,
    wait_until,
    words,
)

pytest.importorskip("ray")


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with ray_cluster(2) as found:
        yield found


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return make_checkout(tmp_path)


def run(cluster: RayCluster, checkout: Path, jobs: list[Any], **options: Any) -> tuple[Any, str]:
    environment = {**cluster.environment, **options.pop("environment", {})}
    return drive(checkout, jobs, environment, executor="ray", **options)


def pids_of(checkout: Path, *names: str) -> list[int]:
    """The processes of jobs that linger, once they have said which they are."""
    files = [checkout / f"pids-{name}" for name in names]
    wait_until(lambda: all(file.exists() and file.read_text() for file in files))
    return [int(pid) for file in files for pid in file.read_text().split()]


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_the_files_are_those_of_jobs_that_run_here(cluster, checkout):
    drive(checkout, draws("a", "b", "c"), executor="inline")
    out, errors = run(cluster, checkout, draws("a", "b", "c"))
    assert out == [str(checkout / f"jobs-ray/{name}/out") for name in "abc"]
    assert files_of(checkout / "jobs-ray") == files_of(checkout / "jobs-inline")
    first, second = (checkout / "jobs-ray/b/log.txt").read_text().splitlines()
    assert first.startswith(f"runs on {socket.gethostname()}, below process ")
    assert second == "drawing b"
    assert "a: drawing a\n" in errors
    _, errors = run(cluster, checkout, draws("a", "b", "c"))
    assert "demo: 3 of 3 jobs were done before" in errors


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("task", "demo: bad: the rate is too high; lower it."),
        ("crash", "ValueError: boom"),
        ("kill", "demo: bad: was ended by SIGKILL"),
        ("silent", "ended without writing its result"),
    ],
)
def test_a_failure_is_told_as_of_a_job_that_runs_here(cluster, checkout, how, sentence):
    said, _ = run(cluster, checkout, [["bad", "fail", {"how": how}], *draws("a")], workers=1)
    assert said.startswith("TaskError: demo: bad: ")
    assert sentence in said
    # That a result is missing is seen when all are over.
    assert (checkout / "calls.log").exists() == (how == "silent")


def test_a_failure_ends_the_jobs_beside_it(cluster, checkout):
    said, _ = run(cluster, checkout, LINGER_AND_FAIL, goes_on=True)
    assert said == "TaskError: demo: bad: enough."
    assert not any(is_running(int(pid)) for pid in (checkout / "pids-a").read_text().split())
    assert (checkout / "jobs-ray/after-1/done.json").exists()


def test_one_worker_has_one_job_at_a_time(cluster, checkout):
    out, _ = run(cluster, checkout, [[name, "alone", {}] for name in "abc"], workers=1)
    assert len(out) == 3


def test_two_workers_have_two_on_two_nodes(cluster, checkout):
    run(cluster, checkout, [["a", "meet", {"name": "x", "other": "y"}], ["b", "meet", {"name": "y", "other": "x"}]])


def test_a_job_has_the_numerical_variables_of_here_and_no_token(cluster, checkout, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    environment = {"TF_ENABLE_ONEDNN_OPTS": "0", "AWS_SECRET_ACCESS_KEY": "private"}
    run(cluster, checkout, [["a", "surroundings", {}]], environment=environment)
    found = json.loads((checkout / "jobs-ray/a/out/environment.json").read_text())
    assert found["TF_ENABLE_ONEDNN_OPTS"] == "0"
    # Ray sets it by the CPUs that a job takes.
    assert "OMP_NUM_THREADS" not in found
    assert not [name for name in found if name.startswith("RAY_") or name == "AWS_SECRET_ACCESS_KEY"]


def test_a_job_whose_node_dies_runs_again_elsewhere(cluster, checkout):
    command = words([["a", "linger_once", {"name": "a"}]], "ray")
    process = subprocess.Popen(command, cwd=checkout, env=environment_of(checkout, cluster.environment))
    [pid] = pids_of(checkout, "a")
    cluster.kill_node(parent_of(parent_of(pid)))
    try:
        assert process.wait(100) == 0
    finally:
        cluster.add_node()
    out = checkout / "jobs-ray/a/out"
    assert not is_running(pid)
    assert (out / "first-is-there").read_text() == "False"
    assert len([*out.glob("half-*")]) == 1
    assert not (out / f"half-{pid}").exists()


def test_a_job_whose_worker_always_dies_is_given_up_in_a_sentence(cluster, checkout):
    (checkout / "src/tasks/demo.py").write_text(
        "import os, time\ndef kill_worker(root, arguments, out):\n    os.kill(os.getppid(), 9); time.sleep(60)\n"
    )
    said, errors = run(cluster, checkout, [["a", "kill_worker", {}]])
    assert "There are 3 retries remaining" in errors
    assert said.startswith("TaskError: demo: a: Ray gave it up (WorkerCrashedError: ")
    assert said.endswith(f"all it printed is in {checkout}/jobs-ray/a/log.txt")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_job_outlives_the_process_that_started_it(cluster, checkout, number):
    jobs = [*draws("done"), *([name, "linger", {"name": name}] for name in "abc")]
    command = words(jobs, "ray", workers=3)
    process = subprocess.Popen(command, cwd=checkout, env=environment_of(checkout, cluster.environment))
    # There are two CPUs, so that the last one waits.
    pids = pids_of(checkout, "a", "b")
    assert all(map(is_running, pids))
    process.send_signal(number)
    assert process.wait(60) != 0
    wait_until(lambda: not any(map(is_running, pids)))
    assert (checkout / "jobs-ray/done/done.json").exists()
    assert not (checkout / "pids-c").exists()
    # Nothing of it keeps the CPUs.
    run(cluster, checkout, draws("later", "last"))


@pytest.mark.parametrize("address", ["", "127.0.0.1", "somewhere:port", "127.0.0.1:99999", "ray://127.0.0.1:10001"])
def test_an_address_that_is_none_is_told(checkout, address):
    said, _ = drive(checkout, draws("a"), {"RAY_ADDRESS": address}, executor="ray")
    assert said.startswith(f'TaskError: RAY_ADDRESS is "{address}"; set it to HOST:PORT of the Ray cluster')


def test_an_address_where_nothing_listens_is_told_at_once(checkout):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    said, _ = drive(checkout, draws("a"), {"RAY_ADDRESS": address}, executor="ray")
    assert said == (
        f"TaskError: nothing answers at RAY_ADDRESS {address} (Connection refused); start the cluster, or correct it."
    )


@pytest.mark.parametrize("token", ["0" * 64, ""])
def test_without_the_cluster_s_token_there_is_a_sentence(cluster, checkout, token):
    # Ray asks again and again, for 20 s.
    environment = {"RAY_AUTH_TOKEN": token, "HOME": str(checkout), "RAY_NUM_REDIS_GET_RETRIES": "1"}
    said, _ = run(cluster, checkout, draws("a"), environment=environment)
    assert said.startswith(f"TaskError: the Ray cluster at {cluster.environment['RAY_ADDRESS']} does not take this")
    assert said.endswith("with the same version of Ray, and RAY_AUTH_MODE and its token as they are there.")


def test_a_token_in_a_file_opens_the_cluster(cluster, checkout):
    (checkout / "token").write_text(cluster.environment["RAY_AUTH_TOKEN"])
    environment = {**cluster.environment, "RAY_AUTH_TOKEN_PATH": str(checkout / "token")}
    del environment["RAY_AUTH_TOKEN"]
    out, _ = drive(checkout, draws("a"), environment, executor="ray")
    assert len(out) == 1


def test_without_ray_a_sentence_says_how_to_install_it(checkout):
    (checkout / "src/ray.py").write_text("raise ImportError('not here')\n")
    said, _ = drive(checkout, draws("a"), executor="ray")
    assert said == ("TaskError: Ray is not installed here; run `pip install .[ray]`, or choose the executor local.")


@pytest.mark.skipif(not can_hide(), reason="needs a file system of the nodes' own")
def test_a_node_that_does_not_see_the_folder_says_so(checkout):
    (checkout / "jobs-ray").mkdir()
    mount = f'mount -t tmpfs none "{checkout / "jobs-ray"}" && exec "$@"'
    with ray_cluster(1, before=["unshare", "--mount", "sh", "-c", mount, "sh"]) as cluster:
        # The usual patience is for real file systems.
        settings = {"node._PATIENCE_SECONDS": 0.5}
        said, _ = drive(checkout, draws("a"), cluster.environment, executor="ray", settings=settings)
    assert said == (
        f"TaskError: demo: a: the node {socket.gethostname()} does not see {checkout}/jobs-ray/a: "
        "have the repository, and what it is run with, in a folder that all nodes share."
    )
    assert not (checkout / "calls.log").exists()

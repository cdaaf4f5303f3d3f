"""The executor slurm: real daemons on this machine where they are installed, else the same jobs without them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.slurm import IS_INSTALLED, Slurm, can_hide, slurm
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

pytest.importorskip("submitit")
with_daemons = pytest.mark.skipif(not IS_INSTALLED, reason="needs Slurm's daemons")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Slurm]:
    with slurm() as found:
        yield found


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return make_checkout(tmp_path)


def run(cluster: Slurm, checkout: Path, jobs: list[Any], **options: Any) -> tuple[Any, str]:
    environment = {**cluster.environment, **options.pop("environment", {})}
    return drive(checkout, jobs, environment, executor="slurm", settings=cluster.settings, **options)


def start(cluster: Slurm, checkout: Path, jobs: list[Any], workers: int = 2) -> subprocess.Popen[bytes]:
    command = words(jobs, "slurm", workers, settings=cluster.settings)
    return subprocess.Popen(command, cwd=checkout, env=environment_of(checkout, cluster.environment))


def has_started(checkout: Path, name: str) -> bool:
    path = checkout / f"pids-{name}"
    return path.exists() and bool(path.read_text())


def test_the_files_are_those_of_jobs_that_run_here(cluster, checkout):
    drive(checkout, draws("a", "b", "c"), executor="inline")
    out, errors = run(cluster, checkout, draws("a", "b", "c"))
    assert out == [str(checkout / f"jobs-slurm/{name}/out") for name in "abc"]
    assert files_of(checkout / "jobs-slurm") == files_of(checkout / "jobs-inline")
    assert (checkout / "jobs-slurm/b/log.txt").read_text().endswith("\ndrawing b\n")
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
    assert (checkout / "jobs-slurm/after-1/done.json").exists()


def test_one_worker_has_one_job_at_a_time(cluster, checkout):
    out, _ = run(cluster, checkout, [[name, "alone", {}] for name in "abc"], workers=1)
    assert len(out) == 3


def test_two_workers_have_two(cluster, checkout):
    run(cluster, checkout, [["a", "meet", {"name": "x", "other": "y"}], ["b", "meet", {"name": "y", "other": "x"}]])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_ends_what_runs_and_what_waits(cluster, checkout, number):
    jobs = [*draws("done"), *([name, "linger", {"name": name}] for name in "abc")]
    process = start(cluster, checkout, jobs, workers=3)
    wait_until(lambda: has_started(checkout, "a") and has_started(checkout, "b"))
    wait_until((checkout / "jobs-slurm/done/done.json").exists)
    pids = [int(pid) for name in "ab" for pid in (checkout / f"pids-{name}").read_text().split()]
    assert all(map(is_running, pids))
    process.send_signal(number)
    assert process.wait(60) != 0
    wait_until(lambda: not any(map(is_running, pids)))
    assert not (checkout / "jobs-slurm/a/done.json").exists()
    if IS_INSTALLED:
        wait_until(lambda: not cluster.say("squeue", "--noheader"))


@with_daemons
def test_what_a_killed_process_had_submitted_is_not_done_twice(cluster, checkout):
    jobs = [[name, "pause", {"name": name}] for name in "abc"]
    first = start(cluster, checkout, jobs, workers=3)
    # Two run, and the third waits in the queue for a CPU.
    wait_until(lambda: has_started(checkout, "a") and has_started(checkout, "b"))
    wait_until(lambda: len(cluster.say("squeue", "--noheader").splitlines()) == 3)
    first.kill()
    first.wait()
    second = start(cluster, checkout, jobs, workers=3)
    wait_until(lambda: len(cluster.say("squeue", "--noheader").splitlines()) == 6)
    (checkout / "go").touch()
    assert second.wait(100) == 0
    assert sorted((checkout / "calls.log").read_text().split()) == ["a", "b", "c"]
    assert sorted(files_of(checkout / "jobs-slurm")) == sorted(
        f"{name}/{file}" for name in "abc" for file in ("task.json", "done.json", "out/values.json")
    )


@with_daemons
def test_a_job_that_is_still_at_work_for_a_killed_process_is_waited_for(cluster, checkout):
    jobs = [["a", "pause", {"name": "a"}]]
    first = start(cluster, checkout, jobs)
    wait_until(lambda: has_started(checkout, "a"))
    first.kill()
    first.wait()
    second = start(cluster, checkout, jobs)
    log = checkout / "jobs-slurm/a/log.txt"
    wait_until(lambda: log.exists() and "waits for a process of an earlier run" in log.read_text())
    (checkout / "go").touch()
    assert second.wait(100) == 0
    assert (checkout / "calls.log").read_text() == "a\n"


@with_daemons
def test_a_job_that_somebody_cancels_is_a_failure(cluster, checkout):
    jobs = [["a", "linger", {"name": "a"}], ["b", "pause", {"name": "b"}], ["c", "pause", {"name": "c"}]]
    process = subprocess.Popen(
        words(jobs, "slurm", 3, attempt=True, settings=cluster.settings),
        cwd=checkout,
        env=environment_of(checkout, cluster.environment),
        stdout=subprocess.PIPE,
    )
    wait_until(lambda: has_started(checkout, "a") and has_started(checkout, "b"))
    wait_until(lambda: "PENDING c" in cluster.say("squeue", "--noheader", "--format=%T %j"))
    cluster.say("scancel", "--name=c")
    cluster.say("scancel", "--name=a")
    (checkout / "go").touch()
    running, other, waiting = json.loads(process.communicate(timeout=100)[0])
    # Whether the job or Slurm is the first to say so is a matter of chance.
    assert re.search("SIGTERM|SIGKILL|CANCELLED", running)
    assert running.startswith("demo: a: ")
    assert other == "None"
    assert re.fullmatch(r"demo: c: Slurm's job \d+ is CANCELLED", waiting)


@with_daemons
def test_a_job_gets_what_sbatch_s_variables_say_and_no_limit_of_ours(cluster, checkout):
    run(cluster, checkout, [["plain", "surroundings", {}]])
    environment = {"SBATCH_PARTITION": "other", "SBATCH_TIMELIMIT": "7", "SLURM_CPUS_PER_TASK": "2"}
    run(cluster, checkout, [["chosen", "surroundings", {}]], environment=environment)
    assert (checkout / "jobs-slurm/plain/out/squeue").read_text().split() == ["main", "UNLIMITED", "1"]
    assert (checkout / "jobs-slurm/chosen/out/squeue").read_text().split() == ["other", "7:00", "2"]


@with_daemons
@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        (
            {"SBATCH_PARTITION": "absent"},
            "sbatch does not take the job a (sbatch: error: Batch job submission failed: "
            "Invalid partition name specified); correct the variables SBATCH_*.",
        ),
        (
            {"SLURM_CPUS_PER_TASK": "two"},
            'SLURM_CPUS_PER_TASK is "two"; set it to a whole number of CPUs for each job, or leave it out.',
        ),
    ],
)
def test_a_wrong_setting_is_told_at_once(cluster, checkout, environment, sentence):
    said, _ = run(cluster, checkout, draws("a"), environment=environment)
    assert said == f"TaskError: {sentence}"
    assert not [*(checkout / "jobs-slurm/a").glob("ticket-*")]


def test_without_slurm_a_sentence_says_so(checkout):
    path = str(Path(sys.executable).parent)
    said, _ = drive(checkout, draws("a"), {"PATH": path}, executor="slurm")
    assert said.startswith("TaskError: there is no sbatch here; run this where jobs are submitted to Slurm")


def test_without_submitit_a_sentence_says_how_to_install_it(checkout):
    (checkout / "src/submitit.py").write_text("raise ImportError('not here')\n")
    said, _ = drive(checkout, draws("a"), executor="slurm")
    assert said.startswith("TaskError: submitit is not installed here; run `pip install .[slurm]`")


@with_daemons
@pytest.mark.skipif(not can_hide(), reason="needs a file system of the node's own")
@pytest.mark.parametrize("what", ["jobs", "code"])
def test_a_node_that_does_not_see_the_folder_says_so(checkout, what):
    (checkout / "jobs-slurm").mkdir()
    hidden = checkout / {"jobs": "jobs-slurm", "code": "src/tasks"}[what]
    with slurm(hidden) as cluster:
        # The usual patience is for real file systems.
        settings = {**cluster.settings, "slurm_jobs.QUEUE_SECONDS": 0.2, "node._PATIENCE_SECONDS": 0.5}
        said, _ = drive(checkout, draws("a"), cluster.environment, executor="slurm", settings=settings)
    if what == "jobs":
        # There is no place for a word from the node.
        assert said.endswith(f"and it wrote nothing: see whether its node has {checkout}/jobs-slurm/a/slurm")
    else:
        node = subprocess.run(["hostname"], capture_output=True, text=True, check=True).stdout.strip()
        assert said.startswith(
            f"TaskError: demo: a: the node {node} does not see {checkout}/src/tasks/common/learning/"
        )
        assert said.endswith("have the repository, and what it is run with, in a folder that all nodes share.")
    assert not (checkout / "calls.log").exists()

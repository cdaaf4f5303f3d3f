"""Jobs as folds and trials use them, in a checkout of its own with functions for the test."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tasks.common.learning.job_processes import graphics_cards
from tasks.common.learning.jobs import Job, job_digest, run_jobs
from tests.tasks.common.job_runs import (
    LINGER_AND_FAIL,
    draws,
    drive,
    files_of,
    is_running,
    make_checkout,
    wait_until,
    words,
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return make_checkout(tmp_path)


def test_here_and_in_processes_the_files_are_the_same(checkout):
    for executor in ("inline", "local"):
        out, _ = drive(checkout, draws("a", "b", "c"), executor=executor)
        assert out == [str(checkout / f"jobs-{executor}/{name}/out") for name in "abc"]
    contents = {executor: files_of(checkout / f"jobs-{executor}") for executor in ("inline", "local")}
    assert contents["inline"] == contents["local"]
    assert len(contents["local"]) == 9


def test_what_a_process_prints_is_in_its_log_and_is_passed_on_by_name(checkout):
    _, errors = drive(checkout, draws("one", "two"))
    assert (checkout / "jobs-local/two/log.txt").read_text() == "drawing two\n"
    assert "one: drawing one\n" in errors
    assert "two: drawing two\n" in errors


@pytest.mark.parametrize("executor", ["inline", "local"])
def test_only_what_is_not_done_is_run(checkout, executor):
    drive(checkout, draws("a", "b"), executor=executor)
    _, errors = drive(checkout, draws("a", "b", "c"), executor=executor)
    assert "demo: 2 of 3 jobs were done before" in errors
    changed = draws("a", "b", "c")
    changed[1][2]["seed"] = 9
    (checkout / f"jobs-{executor}/c/done.json").write_text("{half a fi")
    drive(checkout, changed, executor=executor)
    # The order of jobs that run at once is a matter of chance.
    calls = (checkout / "calls.log").read_text().split()
    assert [sorted(calls[:2]), calls[2:3], sorted(calls[3:])] == [["a", "b"], ["c"], ["b", "c"]]


def test_two_workers_run_two_jobs_at_once(checkout):
    drive(checkout, [["a", "meet", {"name": "x", "other": "y"}], ["b", "meet", {"name": "y", "other": "x"}]])


def test_one_worker_runs_one_job_at_a_time(checkout):
    out, _ = drive(checkout, [[name, "alone", {}] for name in "abc"], workers=1)
    assert len(out) == 3


@pytest.mark.parametrize("executor", ["inline", "local"])
@pytest.mark.parametrize(
    ("how", "sentence"), [("task", "demo: bad: the rate is too high; lower it."), ("crash", "ValueError: boom")]
)
def test_a_failure_is_told_with_its_last_lines_and_the_rest_is_left(checkout, executor, how, sentence):
    jobs = [["bad", "fail", {"how": how}], *draws("a")]
    said, errors = drive(checkout, jobs, executor=executor, workers=1)
    assert said.startswith("TaskError: demo: bad: ")
    assert sentence in said
    assert ("Traceback" in errors) == (how == "crash")
    assert not (checkout / "calls.log").exists()


@pytest.mark.parametrize(
    ("how", "sentence"), [("kill", "demo: bad: was ended by SIGKILL"), ("silent", "ended without writing its result")]
)
def test_a_process_that_dies_is_a_failure(checkout, how, sentence):
    said, _ = drive(checkout, [["bad", "fail", {"how": how}]])
    assert sentence in said


@pytest.mark.parametrize("executor", ["inline", "local"])
def test_attempts_go_on_after_a_failure(checkout, executor):
    jobs = [["bad", "fail", {"how": "task"}], *draws("a", "b")]
    said, _ = drive(checkout, jobs, executor=executor, workers=1, attempt=True)
    assert said == ["demo: bad: the rate is too high; lower it.", "None", "None"]


def test_a_failure_ends_the_jobs_beside_it(checkout):
    said, _ = drive(checkout, LINGER_AND_FAIL)
    assert said == "TaskError: demo: bad: enough."
    wait_until(lambda: not any(is_running(int(pid)) for pid in (checkout / "pids-a").read_text().split()))


def test_half_a_result_is_gone_when_the_job_runs_again(checkout):
    drive(checkout, [["a", "fail_once", {}]])
    (checkout / "second").touch()
    (checkout / "jobs-local/a/out/old").touch()
    drive(checkout, [["a", "fail_once", {}]])
    assert [path.name for path in (checkout / "jobs-local/a/out").iterdir()] == ["half"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_the_one_that_started_it(checkout, number):
    jobs = [*draws("done"), *([name, "linger", {"name": name}] for name in "ab")]
    environment = os.environ | {"PYTHONPATH": str(checkout / "src")}
    process = subprocess.Popen(words(jobs), cwd=checkout, env=environment, stderr=subprocess.DEVNULL)
    files = [checkout / "pids-a", checkout / "pids-b"]
    wait_until(lambda: all(file.exists() and len(file.read_text().split()) == 2 for file in files))
    pids = [int(pid) for file in files for pid in file.read_text().split()]
    assert all(map(is_running, pids))
    process.send_signal(number)
    assert process.wait(60) != 0
    wait_until(lambda: not any(map(is_running, pids)))
    assert (checkout / "jobs-local/done/done.json").exists()
    assert not (checkout / "jobs-local/a/done.json").exists()


def test_each_of_several_graphics_cards_is_given_in_turn(checkout):
    meeting = [["a", "card", {"name": "x", "other": "y"}], ["b", "card", {"name": "y", "other": "x"}]]
    drive(checkout, meeting, environment={"CUDA_VISIBLE_DEVICES": "3,GPU-7"})
    assert [(checkout / f"jobs-local/{name}/out/card").read_text() for name in "ab"] == ["3", "GPU-7"]


def test_the_cards_are_counted(tmp_path, monkeypatch):
    script = tmp_path / "nvidia-smi"
    script.write_text("#!/bin/sh\nprintf '0\\n1\\n'\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert graphics_cards() == ["0", "1"]
    script.write_text("#!/bin/sh\necho no driver; exit 9\n")
    assert graphics_cards() == []
    for value, cards in {"": [], "-1": [], "2, 5": ["2", "5"]}.items():
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
        assert graphics_cards() == cards


def test_the_digest_is_of_function_and_arguments_in_any_order():
    one = Job("a", "tasks.x:run", {"p": 1, "q": [2, None]})
    assert job_digest(one) == job_digest(Job("b", "tasks.x:run", {"q": [2, None], "p": 1}))
    assert job_digest(one) != job_digest(Job("a", "tasks.y:run", {"p": 1, "q": [2, None]}))
    assert job_digest(one) != job_digest(Job("a", "tasks.x:run", {"p": 1.5, "q": [2, None]}))


@pytest.mark.parametrize(
    ("names", "function"),
    [(["a/b"], "tasks.x:run"), (["../a"], "tasks.x:run"), (["a", "a"], "tasks.x:run"), (["a"], "os:system")],
)
def test_a_job_that_could_leave_its_folder_or_package_is_refused(tmp_path, names, function):
    jobs = [Job(name, function, {}) for name in names]
    with pytest.raises(ValueError, match=r"cannot be the name|no function"):
        run_jobs(jobs, tmp_path, root=tmp_path, executor="inline", workers=1, label="demo")

"""Jobs as folds and trials use them, in a checkout of its own with functions for the test."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.common.learning.job_processes import graphics_cards
from tasks.common.learning.jobs import Job, job_digest, run_jobs
from tests.tasks.checkouts import REPOSITORY

FUNCTIONS = '''
"""What the jobs of the tests do."""
import json, os, random, subprocess, sys, time
from pathlib import Path
from tasks.common.stage.errors import TaskError

def draw(root, arguments, out):
    (root / "calls.log").open("a").write(arguments["name"] + "\\n")
    rng = random.Random(arguments["seed"])
    print("drawing", arguments["name"], flush=True)
    (out / "values.json").write_text(json.dumps([rng.random() for _ in range(3)] + [arguments]))

def meet(root, arguments, out):
    """Ends only if another job is there at the same time."""
    (root / arguments["name"]).touch()
    while not (root / arguments["other"]).exists():
        time.sleep(0.02)

def alone(root, arguments, out):
    """Fails if another job is there at the same time."""
    (root / "busy").touch(exist_ok=False)
    time.sleep(0.2)
    (root / "busy").unlink()

def fail(root, arguments, out):
    if arguments["how"] == "task":
        raise TaskError("the rate is too high; lower it.")
    if arguments["how"] == "kill":
        os.kill(os.getpid(), 9)
    if arguments["how"] == "silent":
        sys.stdout.flush()
        os._exit(0)
    raise ValueError("boom")

def fail_once(root, arguments, out):
    (out / "half").touch()
    if not (root / "second").exists():
        raise ValueError("once")

def linger(root, arguments, out):
    """Never ends, and has a child that never ends; both are named in files."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (root / f"pids-{arguments['name']}").write_text(f"{os.getpid()} {child.pid}")
    time.sleep(600)

def card(root, arguments, out):
    (out / "card").write_text(os.environ.get("CUDA_VISIBLE_DEVICES", "none"))
    meet(root, arguments, out)
'''

DRIVER = """
import json, sys
from pathlib import Path
from tasks.common.learning.jobs import Job, attempt_jobs, run_jobs
from tasks.common.stage.errors import TaskError
asked = json.loads(sys.argv[1])
jobs = [Job(name, f"tasks.demo:{function}", arguments) for name, function, arguments in asked["jobs"]]
root = Path.cwd()
call = attempt_jobs if asked["attempt"] else run_jobs
try:
    options = {name: asked[name] for name in ("executor", "workers")}
    done = call(jobs, root / asked["folder"], root=root, label="demo", **options)
    print(json.dumps([str(item if not asked["attempt"] else item.error) for item in done]))
except TaskError as error:
    print(json.dumps(f"TaskError: {error}"))
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    source = tmp_path / "src/tasks"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / "src/tasks/common", source / "common", ignore=ignore)
    (source / "__init__.py").write_text('"""Tasks."""\n')
    (source / "demo.py").write_text(FUNCTIONS)
    return tmp_path


def words(jobs: list[Any], executor: str = "local", workers: int = 2, attempt: bool = False) -> list[str]:
    asked = {"jobs": jobs, "folder": f"jobs-{executor}", "executor": executor, "workers": workers, "attempt": attempt}
    return [sys.executable, "-c", DRIVER, json.dumps(asked)]


def drive(checkout: Path, jobs: list[Any], **options: Any) -> tuple[Any, str]:
    """What run_jobs gave, and what was printed on standard error."""
    environment = os.environ | {"PYTHONPATH": str(checkout / "src")} | options.pop("environment", {})
    done = subprocess.run(words(jobs, **options), cwd=checkout, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def draws(*names: str) -> list[Any]:
    return [[name, "draw", {"name": name, "seed": number}] for number, name in enumerate(names)]


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "did not happen"
        time.sleep(0.05)


def test_here_and_in_processes_the_files_are_the_same(checkout):
    for executor in ("inline", "local"):
        out, _ = drive(checkout, draws("a", "b", "c"), executor=executor)
        assert out == [str(checkout / f"jobs-{executor}/{name}/out") for name in "abc"]
    contents = {
        executor: {
            str(path.relative_to(checkout / f"jobs-{executor}")): path.read_bytes()
            for path in (checkout / f"jobs-{executor}").rglob("*")
            if path.is_file() and path.name != "log.txt"
        }
        for executor in ("inline", "local")
    }
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
    jobs = [["a", "linger", {"name": "a"}], ["bad", "fail_when_started", {}]]
    (checkout / "src/tasks/demo.py").write_text(
        FUNCTIONS
        + "def fail_when_started(root, arguments, out):\n"
        + "    while not (root / 'pids-a').exists() or not (root / 'pids-a').read_text(): time.sleep(0.02)\n"
        + "    raise TaskError('enough.')\n"
    )
    said, _ = drive(checkout, jobs)
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

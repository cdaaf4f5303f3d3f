"""What a supervisor makes of one job after the other: real processes, the fake GitHub, a small runner program."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.runner.machine import PYTHON, Machine, cmdline

NewMachine = Callable[..., Machine]


def test_jobs_one_after_the_other_each_on_a_clean_start(machine: Machine) -> None:
    first = machine.runners.queue("first", "touch left ../../home/left; ls -A")
    second = machine.runners.queue("second", 'test -z "$(ls -A . $HOME $TMPDIR | grep -v : )"')
    machine.start()
    assert machine.finished(first).conclusion == "Succeeded"
    assert machine.finished(second).conclusion == "Succeeded", machine.log
    assert first.runner != second.runner
    assert machine.runners.granted == [
        {"permissions": {"administration": "write"}, "repositories": ["ct"]}
    ]  # one token for all, with nothing but the one permission


def test_a_failing_job_is_a_job_like_any_other(machine: Machine) -> None:
    failing = machine.runners.queue("failing", "exit 3")
    following = machine.runners.queue("following")
    machine.start()
    assert machine.finished(failing).conclusion == "Failed"
    assert machine.finished(following).conclusion == "Succeeded"
    assert "Trying again" not in machine.log


def test_a_job_sees_nothing_of_the_supervisor(machine: Machine) -> None:
    dump = "cat /proc/self/environ | tr '\\0' '\\n' > dump; ps -eo args= >> dump 2>/dev/null; cp dump $DUMP"
    place = machine.folder / "dump"
    place.touch()
    place.chmod(0o666)
    machine.settings["environment"] |= {"DUMP": str(place)}
    machine.runners.queue("dump", dump)
    machine.start("--once").wait(30)
    text = place.read_text()
    environment = dict(
        line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith(("/", "sh"))
    )
    allowed = {"PATH", "LANG", "HOME", "TMPDIR", "USER", "LOGNAME", "CUDA_VISIBLE_DEVICES", "PAWL_RUNNER_SLOT", "PWD"}
    allowed |= {"RUNNER_MANUALLY_TRAP_SIG", "DUMP", "FAKE_RUNNER_PYTHON", "OLDPWD", "SHLVL", "_"}
    assert environment["HOME"] == str(machine.slot() / "job/home")
    assert {name for name in environment if name.isidentifier()} <= allowed
    for secret in ("squeamish", "app.pem", "PRIVATE KEY", "ghs_", "JITCONFIG"):
        assert secret not in text.replace(str(machine.folder / "app.pem") + " ", "")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to become another user")
def test_a_job_can_read_neither_the_key_nor_the_supervisor(machine: Machine) -> None:
    script = f"""
        test "$(id -u)" != 0 || exit 10
        cat {machine.folder}/app.pem && exit 11
        cat /proc/$(ps -o ppid= $(ps -o ppid= $PPID))/environ && exit 12
        touch {machine.slot()}/runner.json && exit 13
        echo x >> ../../program/run.sh && exit 14
        exit 0"""
    job = machine.runners.queue("curious", script)
    machine.start("--once").wait(30)
    assert machine.finished(job).conclusion == "Succeeded", machine.log
    assert machine.program.joinpath("run.sh").read_text().count("x") == Path(__file__).with_name("program").joinpath(
        "run.sh"
    ).read_text().count("x")


def test_the_program_that_crashes_in_a_job(machine: Machine) -> None:
    machine.runners.queue("crash", "kill -9 $PPID; sleep 60")
    following = machine.runners.queue("following")
    machine.start()
    assert machine.finished(following).conclusion == "Succeeded"
    assert "'crash' ended: without a result" in machine.log
    assert "still counts on the runner" in machine.log


def test_the_program_that_ends_without_a_job_is_backed_off_from_and_its_runner_removed(machine: Machine) -> None:
    (machine.program / "listener.py").write_text("print('libfoo.so is missing'); raise SystemExit(1)")
    machine.start()
    machine.wait_for_log("libfoo.so is missing'. Trying again in", times=2)
    assert len(machine.runners.names) >= 2
    machine.wait(lambda: len(machine.runners.runners) <= 1, "removal")
    assert len(set(machine.runners.names)) == len(machine.runners.names)


def test_a_job_that_hangs_is_ended_at_its_limit(new_machine: NewMachine) -> None:
    machine = new_machine(job_seconds=0.5)
    hanging = machine.runners.queue("hanging", "sleep 600")
    following = machine.runners.queue("following")
    machine.start()
    assert machine.finished(hanging).conclusion == "Canceled"
    assert machine.finished(following).conclusion == "Succeeded"
    assert "ran for over" in machine.log


def test_a_program_that_hangs_deaf_to_signals(new_machine: NewMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = new_machine(idle_seconds=1.0)
    (machine.program / "run.sh").write_text("#!/bin/sh\ntrap '' INT TERM\nsleep 600 & wait; sleep 600\n")
    machine.start()
    machine.wait_for_log("had no job for too long", times=2)
    assert "Trying again" not in machine.log  # replacing an idle runner is no failure
    machine.wait(lambda: len(machine.runners.runners) <= 1, "removal")


def test_a_cancelled_job(machine: Machine) -> None:
    job = machine.runners.queue("cancelled", "sleep 600")
    machine.start()
    machine.wait(lambda: job.runner, "start")
    job.cancelled = True
    assert machine.finished(job).conclusion == "Canceled"
    following = machine.runners.queue("following")
    assert machine.finished(following).conclusion == "Succeeded"


def test_processes_that_left_the_job_are_ended(machine: Machine) -> None:
    daemon = "import os, sys, time\n" + "if os.fork(): sys.exit()\nos.setsid()\n" * 2 + "os.chdir('/')\ntime.sleep(600)"
    script = f"""env -i MARKED=no {PYTHON} -S -c "{daemon}" {machine.folder}/daemon"""
    job = machine.runners.queue("daemon", script)
    machine.start("--once").wait(30)
    assert machine.finished(job).conclusion == "Succeeded"
    assert "ended 1 leftover process." in machine.log
    assert machine.left_processes() == []


def test_read_only_folders_are_wiped(machine: Machine) -> None:
    job = machine.runners.queue(
        "stubborn", "mkdir -p a/b/c; touch a/b/c/f; ln -s / a/root; chmod -R 0 a; mkdir ~/x; chmod 500 ~ ~/x"
    )
    machine.start("--once").wait(30)
    assert machine.finished(job).conclusion == "Succeeded"
    assert sorted(path.name for path in machine.slot().iterdir()) == ["lock"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_while_idle_ends_at_once_and_leaves_nothing(machine: Machine, number: int) -> None:
    supervisor = machine.start()
    machine.wait_idle()
    supervisor.send_signal(number)
    assert supervisor.wait(30) == 0
    assert machine.runners.runners == {}
    assert machine.left_processes() == []
    assert sorted(path.name for path in machine.slot().iterdir()) == ["lock"]


def test_stopped_in_the_moment_in_which_it_gets_a_job_does_the_job(machine: Machine) -> None:
    supervisor = machine.start()
    machine.wait_idle()
    jobs = []

    def give_a_job() -> None:
        jobs.append(machine.runners.queue("last moment", "sleep 0.3"))
        machine.wait(lambda: jobs[0].runner, "start")

    machine.github.fault("DELETE", r"/actions/runners/\d+$", how="pass", before=give_a_job)
    supervisor.terminate()
    assert supervisor.wait(30) == 0
    assert jobs[0].conclusion == "Succeeded"


def test_stopped_while_busy_lets_the_job_finish(machine: Machine) -> None:
    gate = machine.folder / "gate"
    job = machine.runners.queue("busy", f"while ! test -e {gate}; do sleep 0.05; done")
    supervisor = machine.start()
    machine.wait_for_log("Running job: busy")
    supervisor.terminate()
    machine.wait_for_log("stopping: the job has 600 s to end")
    assert supervisor.poll() is None
    gate.touch()
    assert supervisor.wait(30) == 0
    assert job.conclusion == "Succeeded"
    assert len(machine.runners.names) == 1


def test_stopped_while_busy_ends_a_job_that_takes_longer_than_the_grace(new_machine: NewMachine) -> None:
    machine = new_machine(grace_seconds=0.3)
    job = machine.runners.queue("busy", "sleep 600")
    supervisor = machine.start()
    machine.wait_for_log("Running job: busy")
    supervisor.terminate()
    assert supervisor.wait(30) == 0
    assert job.conclusion == "Canceled"
    assert machine.left_processes() == []


def test_killed_and_started_again(new_machine: NewMachine) -> None:
    machine = new_machine(gpus=["0"], gpus_per_slot=1)
    machine.runners.queue("before", "sleep 600")
    first = machine.start()
    machine.wait_for_log("Running job: before")
    first.kill()
    first.wait()
    machine.wait(lambda: not any(b"--slot" in cmdline(pid) for pid in machine.left_processes()), "end of the slot")
    assert machine.left_processes() != []  # the job goes on without its supervisor
    after = machine.runners.queue("after", "test $CUDA_VISIBLE_DEVICES = 0")
    machine.start()
    assert machine.finished(after).conclusion == "Succeeded", machine.log
    assert "leftover processes" in machine.log
    assert len(set(machine.runners.names)) == len(machine.runners.names) >= 2


def test_a_slot_that_is_killed_is_started_again(machine: Machine) -> None:
    machine.start()
    machine.wait_idle()
    slot = next(pid for pid in machine.left_processes() if b"--slot" in cmdline(pid))
    os.kill(slot, signal.SIGKILL)
    machine.wait_for_log("leftover")
    job = machine.runners.queue("after")
    assert machine.finished(job).conclusion == "Succeeded"

"""The supervisor: a process for each slot, started again when it ends, told to stop when the supervisor is."""

from __future__ import annotations

import fcntl
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from pawl.errors import InputError
from pawl.pipeline.environment import installed_gpus
from pawl.runner import processes
from pawl.runner.errors import Clock
from pawl.runner.github_app import GitHubApp
from pawl.runner.settings import Settings, load_settings, read_key
from pawl.runner.slot import Slot
from pawl.runner.users import job_user

_AGAIN_SECONDS = 5.0
_SHORT_SECONDS = 60.0
"""A slot that lived for less is not started again at once."""


def supervise(config: Path, *, once: bool = False) -> int:
    """Run every slot until SIGTERM or SIGINT; with `once`, until each had one job. The exit code."""
    settings = load_settings(config)
    prepare(settings)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    command = [sys.executable, "-P", "-m", "pawl.runner", "--config", str(config), *(["--once"] if once else [])]
    command += ["--parent", str(os.getpid())]
    running: dict[int, subprocess.Popen[bytes]] = {}
    since: dict[int, float] = {}
    due = dict.fromkeys(range(1, settings.slots + 1), 0.0)
    told = False
    while running or (due and not stop.is_set()):
        for slot, when in list(due.items()):
            if time.monotonic() >= when and not stop.is_set():
                # A group of its own: a Ctrl-C is the supervisor's to pass on.
                running[slot] = subprocess.Popen([*command, "--slot", str(slot)], process_group=0)
                since[slot] = time.monotonic()
                del due[slot]
        if stop.is_set() and not told:
            told = True
            for process in running.values():
                process.send_signal(signal.SIGTERM)
        for slot, process in list(running.items()):
            code = process.poll()
            if code is not None:
                del running[slot]
                if not stop.is_set() and not (once and code == 0):
                    pause_seconds = _AGAIN_SECONDS if time.monotonic() - since[slot] < _SHORT_SECONDS else 0.0
                    say(f"slot {slot} ended ({code}): starting it again in {pause_seconds:.0f} s.")
                    due[slot] = time.monotonic() + pause_seconds
        time.sleep(0.05)
    return 0


def run_slot(config: Path, number: int, parent: int, *, once: bool = False) -> int:
    """The process of one slot, started by the supervisor with the process number `parent`, and never without it."""
    processes.die_with_parent()
    if os.getppid() != parent:
        return 0  # it was gone before that took hold
    processes.adopt_orphans()
    settings = load_settings(config)
    folder = settings.slot_folder(number)
    folder.mkdir(parents=True, exist_ok=True)
    stop = threading.Event()
    slot = Slot(
        settings,
        number,
        read_key(settings),
        gpus_of(settings),
        lambda line: say(f"slot {number}: {line}"),
        Clock(sleep=stop.wait),
    )
    slot.stop = stop
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    with (folder / "lock").open("w") as lock:
        waiting = False
        while not stop.is_set():
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if not waiting:
                    say(f"slot {number}: another supervisor has {folder}: waiting for it.")
                waiting = True
                stop.wait(0.5)
        else:
            return 0
        slot.run(once=once)
    return 0


def prepare(settings: Settings) -> list[str]:
    """Look at everything on this machine before GitHub is asked; the GPUs. Raises InputError."""
    if os.geteuid() == 0 and not settings.users:
        raise InputError("the supervisor runs as root: name an unprivileged user for each slot by users = [...].")
    if os.geteuid() != 0 and settings.users:
        raise InputError("users needs a supervisor that runs as root, or no other user could be taken on.")
    if os.geteuid() != 0 and not settings.same_user:
        raise InputError(
            "jobs would run as the supervisor's own user, which can read the App's key: run it as root with"
            " users = [...], or accept that by same_user = true."
        )
    for name in settings.users:
        job_user(name)
    read_key(settings)
    if not (settings.runner_folder / "run.sh").is_file():
        raise InputError(
            f"runner_folder: {settings.runner_folder} has no run.sh: unpack GitHub's runner program there."
        )
    for folder in (settings.work_folder, settings.lease_folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{folder} cannot be made: {error.strerror}.") from None
    if settings.cache_folder is not None and not settings.cache_folder.is_dir():
        raise InputError(
            f"cache_folder: {settings.cache_folder} does not exist: make it, writable for the jobs' users."
        )
    gpus = gpus_of(settings)
    needed = settings.gpus_per_slot
    if len(gpus) < needed:
        raise InputError(f"gpus_per_slot is {needed}, and this machine has {len(gpus)} GPUs: see `nvidia-smi`.")
    return gpus


def check(config: Path, clock: Clock) -> list[str]:
    """What is found when everything a job needs is tried but a job: a runner is registered and removed.

    Raises InputError, or RunnerError where GitHub refuses.
    """
    settings = load_settings(config)
    gpus = prepare(settings)
    github = GitHubApp(settings, read_key(settings), clock)
    runner = github.register(f"{settings.name}-check-{secrets.token_hex(4)}")
    github.remove(runner.id)
    lines = [
        f"runners for {settings.repository or settings.organization} can be made and removed.",
        f"{settings.slots} slots of {settings.gpus_per_slot} GPUs; this machine has {len(gpus)}.",
    ]
    if settings.slots * settings.gpus_per_slot > len(gpus):
        lines.append("warning: there are not enough GPUs for all slots at once, so some will wait.")
    if abs(github.skew_seconds) > 30:
        lines.append(f"warning: this machine's clock is {abs(github.skew_seconds):.0f} s off GitHub's: set it by NTP.")
    if settings.same_user:
        lines.append("warning: jobs run as the supervisor's user and can read the App's key.")
    return lines


def gpus_of(settings: Settings) -> list[str]:
    """The GPUs that are shared out."""
    return settings.gpus if settings.gpus is not None else [index for index, _ in installed_gpus()]


def say(line: str) -> None:
    """One line for the journal, which adds the time."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()

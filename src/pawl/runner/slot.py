"""One slot: job after job, each on a clean start, and what happens between them."""

from __future__ import annotations

import json
import secrets
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from pawl.errors import PawlError
from pawl.runner import cache, processes, workspace
from pawl.runner.errors import Clock, RunnerError, pause_seconds
from pawl.runner.github_app import GitHubApp, Registered
from pawl.runner.leases import Lease, try_lease
from pawl.runner.program import Program, job_environment
from pawl.runner.settings import Settings
from pawl.runner.users import as_user, job_user

_POLL_SECONDS = 0.1
_LEASE_SECONDS = 1.0
INTERRUPT_SECONDS = 20.0
"""How long a job that is interrupted has to tell GitHub so."""


class Slot:
    """What one slot holds while it works; `stop` asks it to come to an end."""

    def __init__(
        self, settings: Settings, number: int, key: bytes, gpus: Sequence[str], say: Callable[[str], None], clock: Clock
    ) -> None:
        self.settings = settings
        self.gpus = gpus
        self.say = say
        self.clock = clock
        self.stop = threading.Event()
        self.folder = settings.slot_folder(number)
        self.user = job_user(settings.users[number - 1]) if settings.users else None
        self.github = GitHubApp(settings, key, clock)
        self._number = number
        self._lease: Lease | None = None

    def run(self, *, once: bool = False) -> None:
        """Job after job until told to stop, or after the first; waits longer after every failure in a row."""
        failures = 0
        while not self.stop.is_set():
            try:
                had_job = self.turn()
                failures = 0
                if once and had_job:
                    break
            except (PawlError, OSError) as error:
                trouble = _as_trouble(error)
                failures += 1
                seconds = pause_seconds(trouble, failures, self.clock.jitter())
                self.say(f"{trouble} Trying again in {seconds:.0f} s.")
                self.clock.sleep(seconds)
        try:
            self.clean()
        except (PawlError, OSError) as error:
            self.say(str(error))

    def turn(self) -> bool:
        """One runner from its registration to the end of its job; whether it had one. Raises PawlError."""
        self.clean()
        self._evict()
        self._lease = self._wait_for_lease()
        if self._lease is None:
            return False
        runner = self.github.register(f"{self.settings.name}-{self._number}-{secrets.token_hex(4)}")
        self._remember(runner)
        try:
            return self._run_program(runner)
        finally:
            self._end_and_wipe()

    def clean(self) -> None:
        """End and remove whatever an earlier job or a killed supervisor left: processes, files, GPUs, the runner."""
        self._end_and_wipe()
        self._forget()

    def _run_program(self, runner: Registered) -> bool:
        settings, lease = self.settings, self._lease
        assert lease is not None
        made = workspace.make(self._job, settings.runner_folder, settings.cache_folder, self.user)
        environment = job_environment(settings, made, lease.gpus, self.user, self._mark, runner.config)
        with ExitStack() as held:
            program = Program(environment, made, self.user, lease, self.say)
            self.say(f"runner {runner.name} waits for a job" + (f", GPU {','.join(lease.gpus)}" if lease.gpus else "."))
            ended_by_us = self._watch(program, runner, held)
            self._end_processes()
            code = program.close()
            self._end_and_wipe()  # inside: the cache is in use until no process of the job is left
        if program.job is None:
            if not ended_by_us:
                raise RunnerError(f"the runner program ended ({code}) without a job: {program.last_line!r}.")
            return False
        self.say(f"job {program.job!r} ended: {program.result or 'without a result'}.")
        if program.result:
            self._registration.unlink(missing_ok=True)  # GitHub removes a runner whose job is done
        return True

    def _watch(self, program: Program, runner: Registered, held: ExitStack) -> bool:
        """Wait for the program's end, or bring it about where it is due; whether it was."""
        settings, steady = self.settings, self.clock.steady
        deadline, why = steady() + settings.idle_seconds, "had no job for too long"
        grace_ends = float("inf")
        has_job = is_counted = False
        while program.is_running():
            processes.reap(program.pid)
            has_job = has_job or program.job is not None
            if has_job and not is_counted:
                is_counted = True
                deadline, why = steady() + settings.job_seconds, f"ran for over {settings.job_seconds:.0f} s"
                if settings.cache_folder and settings.cache_cap_bytes is not None:
                    held.enter_context(cache.in_use(settings.cache_folder))
            if self.stop.is_set() and grace_ends == float("inf"):
                if not has_job and self._withdrawn(runner):
                    return self._interrupt(program, "is not needed any more")
                has_job = True
                grace_ends = steady() + settings.grace_seconds
                self.say(f"stopping: the job has {settings.grace_seconds:.0f} s to end.")
            if steady() >= min(deadline, grace_ends):
                if has_job or self._withdrawn(runner):
                    return self._interrupt(program, why if deadline < grace_ends else "did not end in time")
                has_job = True
            time.sleep(_POLL_SECONDS)
        return False

    def _withdrawn(self, runner: Registered) -> bool:
        """Take an idle runner off GitHub's list before it is ended; False where it just got a job."""
        try:
            return self.github.remove(runner.id) != "busy"
        except RunnerError as trouble:
            self.say(str(trouble))
            return True  # GitHub does not answer us, so it gives no jobs either

    def _interrupt(self, program: Program, why: str) -> bool:
        """Ask the program to end, and leave it a moment to tell GitHub."""
        self.say(f"the runner {why}: ending it.")
        processes.in_group(program.pid, signal.SIGINT)
        deadline = self.clock.steady() + (INTERRUPT_SECONDS if program.job is not None else 2.0)
        while program.is_running() and self.clock.steady() < deadline:
            time.sleep(_POLL_SECONDS)
        return True

    def _wait_for_lease(self) -> Lease | None:
        waiting = False
        while not self.stop.is_set():
            lease = try_lease(self.settings.lease_folder, self.gpus, self.settings.gpus_per_slot)
            if lease is not None:
                return lease
            if not waiting:
                self.say(f"waiting for {self.settings.gpus_per_slot} free GPUs of {len(self.gpus)}.")
            waiting = True
            self.clock.sleep(_LEASE_SECONDS * (0.5 + self.clock.jitter()))
        return None

    def _evict(self) -> None:
        if self.user is None:
            self._evict_here()
        elif not as_user(self.user, self._evict_here):
            self.say(f"the cache {self.settings.cache_folder} could not be looked through as user {self.user.name}.")

    def _evict_here(self) -> None:
        folder, cap_bytes = self.settings.cache_folder, self.settings.cache_cap_bytes
        if folder is not None and cap_bytes is not None:
            try:
                line = cache.evict(folder, cap_bytes).in_words(folder, cap_bytes)
            except (OSError, PawlError) as error:
                line = f"the cache {folder} is left as it is: {error}"
            if line:
                self.say(line)

    def _end_processes(self) -> None:
        ended = processes.end_all(self._mark, self.user.uid if self.user else None)
        if ended:
            self.say(f"ended {ended} leftover {'process' if ended == 1 else 'processes'}.")

    def _end_and_wipe(self) -> None:
        """Only where every process is gone are the GPUs free and the files safe to remove."""
        self._end_processes()
        if self._lease is not None:
            self._lease.release()
            self._lease = None
        workspace.wipe(self._job)
        if self.user is not None:
            workspace.wipe_temporary(self.user)

    def _remember(self, runner: Registered) -> None:
        """So that a supervisor that was killed can take its runner off the list when it is back."""
        fresh = self._registration.with_suffix(".new")
        fresh.write_text(json.dumps({"id": runner.id, "name": runner.name}), encoding="utf-8")
        fresh.replace(self._registration)

    def _forget(self) -> None:
        try:
            known = json.loads(self._registration.read_text(encoding="utf-8"))
            number, name = int(known["id"]), str(known["name"])
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError):
            self._registration.unlink(missing_ok=True)
            return
        if self.github.remove(number) == "busy":
            self.say(f"GitHub still counts on the runner {name}, which is gone: its job will be given up there.")
        self._registration.unlink(missing_ok=True)

    @property
    def _job(self) -> Path:
        return self.folder / "job"

    @property
    def _mark(self) -> str:
        return str(self.folder)

    @property
    def _registration(self) -> Path:
        return self.folder / "runner.json"


def _as_trouble(error: PawlError | OSError) -> RunnerError:
    if isinstance(error, RunnerError):
        return error
    if isinstance(error, PawlError):
        return RunnerError(str(error), "refused")
    return RunnerError(f"{error}.")  # such as a full disk

"""Several processes at once, each with its own log and process group, of which none outlives this one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from tasks.common.stage.progress import progress, say

PATIENCE_SECONDS = 5.0
_TICK_SECONDS = 0.05
_LAST_LINES = 3
_SOURCE = Path(__file__).resolve().parents[3]
_CARDS = "CUDA_VISIBLE_DEVICES"


class _Process:
    """A running command: its output goes to `folder/log.txt` and, with its name before each line, to standard error."""

    def __init__(self, name: str, command: list[str], folder: Path, root: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.log = folder / "log.txt"
        self.last: deque[str] = deque(maxlen=_LAST_LINES)
        self._popen = subprocess.Popen(
            [*command, "--end-with-standard-input"],
            cwd=root,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._pass_on, args=(self._popen.stdout,), daemon=True)
        self._reader.start()

    def _pass_on(self, lines: IO[str]) -> None:
        with self.log.open("w", encoding="utf-8") as log:
            for line in lines:
                log.write(line)
                log.flush()
                if line.strip():
                    self.last.append(line.strip())
                    say(f"{self.name}: {line.rstrip()}")

    def is_over(self) -> bool:
        return self._popen.poll() is not None

    def signal_group(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, number)

    def error(self) -> str | None:
        """What went wrong in a sentence, None where nothing did; for a command that is over."""
        # Processes that it left behind would keep its log open.
        self.signal_group(signal.SIGKILL)
        self._reader.join(PATIENCE_SECONDS)
        if self._popen.stdin:
            self._popen.stdin.close()
        code = self._popen.returncode
        if code == 0:
            return None
        how = f"ended with exit code {code}" if code > 0 else f"was ended by {signal.Signals(-code).name}"
        last = self.last[-1] if self.last else ""
        if last.startswith("error: "):
            return last.removeprefix("error: ")
        lines = f", its last lines: {' | '.join(self.last)}" if self.last else ""
        return f"{how}{lines}; all it printed is in {self.log}"


def run_processes(
    commands: Mapping[str, list[str]], folder: Path, *, root: Path, workers: int, label: str, stop_at_failure: bool
) -> dict[str, str]:
    """Run the command of each name, `workers` at once, with the package `tasks` of this checkout; name to what failed.

    folder: has a folder for each name, which gets log.txt. Where there are several graphics cards, each command sees
    one of them, in turn. With `stop_at_failure`, the first failure ends the others, which are then in no result.
    Whatever ends this function, no command is left running.
    """
    waiting = deque(commands.items())
    cards = graphics_cards()
    running: dict[int, _Process] = {}
    errors: dict[str, str] = {}
    with _terminated_like_interrupted(), progress(label, len(commands), "job") as advance:
        try:
            while waiting or running:
                for slot in range(workers):
                    if waiting and slot not in running:
                        name, command = waiting.popleft()
                        running[slot] = _Process(name, command, folder / name, root, _environment(cards, slot))
                for slot, process in list(running.items()):
                    if process.is_over():
                        del running[slot]
                        error = process.error()
                        if error:
                            errors[process.name] = error
                        advance(f"{process.name} {'failed' if error else 'done'}")
                if errors and stop_at_failure:
                    break
                time.sleep(_TICK_SECONDS)
        finally:
            _end(list(running.values()))
    return errors


def graphics_cards() -> list[str]:
    """The names that CUDA_VISIBLE_DEVICES knows the graphics cards by that this process may use."""
    visible = os.environ.get(_CARDS)
    if visible is not None:
        return [name.strip() for name in visible.split(",") if name.strip() not in ("", "-1")]
    if not shutil.which("nvidia-smi"):
        return []
    done = subprocess.run(
        ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"], capture_output=True, text=True, check=False
    )
    return done.stdout.split() if done.returncode == 0 else []


def _environment(cards: list[str], slot: int) -> dict[str, str]:
    # The code of this checkout first, whatever is installed.
    path = os.pathsep.join([str(_SOURCE), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": path, "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"}
    if len(cards) > 1:
        environment[_CARDS] = cards[slot % len(cards)]
    return environment


def _end(processes: list[_Process]) -> None:
    try:
        for process in processes:
            process.signal_group(signal.SIGTERM)
        deadline_seconds = time.monotonic() + PATIENCE_SECONDS
        while not all(process.is_over() for process in processes) and time.monotonic() < deadline_seconds:
            time.sleep(_TICK_SECONDS)
    finally:
        for process in processes:
            process.signal_group(signal.SIGKILL)


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Within the block, SIGTERM ends the process by an exception too, so that what it started is ended with it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, frame: object) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

"""The executor `local`: several processes at once here, each with its own log and process group."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from tasks.common.learning.executors.node import CARDS, JOBS, code_first
from tasks.common.learning.executors.turns import Printed, take_turns

PATIENCE_SECONDS = 5.0
_TICK_SECONDS = 0.05
SOURCE = Path(__file__).resolve().parents[3]


class _Process:
    """A job's process: its output goes to `folder/log.txt` and, with its name before each line, to standard error."""

    def __init__(self, name: str, folder: Path, root: Path, card: str | None) -> None:
        self.name = name
        self._log = folder / "log.txt"
        self._printed = Printed(name, self._log)
        environment = code_first(os.environ, str(SOURCE)) | ({} if card is None else {CARDS: card})
        self._popen = subprocess.Popen(
            [sys.executable, "-m", JOBS, str(folder), "--end-with-standard-input"],
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
        with self._log.open("w", encoding="utf-8") as log:
            for line in lines:
                log.write(line)
                log.flush()
                self._printed.pass_on(line)

    def is_over(self) -> bool:
        return self._popen.poll() is not None

    def signal_group(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, number)

    def error(self) -> str | None:
        # Processes that it left behind would keep its log open.
        self.signal_group(signal.SIGKILL)
        self._reader.join(PATIENCE_SECONDS)
        if self._popen.stdin:
            self._popen.stdin.close()
        return self._printed.sentence(self._popen.returncode)


def run_processes(
    names: Sequence[str], folder: Path, *, root: Path, workers: int, label: str, stop_at_failure: bool
) -> dict[str, str]:
    """See the package executors. Where there are several graphics cards, each job sees one of them, in turn."""
    cards = graphics_cards()

    def start(name: str, slot: int) -> _Process:
        return _Process(name, folder / name, root, cards[slot % len(cards)] if len(cards) > 1 else None)

    return take_turns(
        names,
        start,
        _end,
        workers=workers,
        label=label,
        stop_at_failure=stop_at_failure,
        tick_seconds=_TICK_SECONDS,
    )


def graphics_cards() -> list[str]:
    """The names that CUDA_VISIBLE_DEVICES knows the graphics cards by that this process may use."""
    visible = os.environ.get(CARDS)
    if visible is not None:
        return [name.strip() for name in visible.split(",") if name.strip() not in ("", "-1")]
    if not shutil.which("nvidia-smi"):
        return []
    done = subprocess.run(
        ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"], capture_output=True, text=True, check=False
    )
    return done.stdout.split() if done.returncode == 0 else []


def _end(processes: Sequence[_Process]) -> None:
    try:
        for process in processes:
            process.signal_group(signal.SIGTERM)
        deadline_seconds = time.monotonic() + PATIENCE_SECONDS
        while not all(process.is_over() for process in processes) and time.monotonic() < deadline_seconds:
            time.sleep(_TICK_SECONDS)
    finally:
        for process in processes:
            process.signal_group(signal.SIGKILL)

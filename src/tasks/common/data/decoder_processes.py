"""Processes that decode images: threads alone would wait for Python's lock about as long as they decode.

They are plain child processes, not multiprocessing's: that would import the program's main module in each of them,
which takes longer than all they need and runs again what a script without `if __name__ == "__main__"` does; and they
would outlive a program that is killed. These end with the pipe that they are asked through.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tasks.common.data.image_file import BadImageError, Measured, Recipe

if TYPE_CHECKING:
    import numpy as np

Outcome = tuple[str, Measured] | str
"""Of a file: its digest and what was measured, or why it cannot be used."""

_PROGRAM = f"import sys; sys.path[:] = sys.argv[1:]; from {__name__} import serve; serve()"
_SECONDS_TO_END = 10


class DecoderDiedError(Exception):
    """How a process ended that should have gone on."""


def decode_rows(recipe: Recipe, pixels: np.ndarray, row: int, files: Sequence[Path]) -> list[Outcome]:
    """Decode each file into its row of `pixels`, the first into `row`."""
    outcomes: list[Outcome] = []
    for place, path in enumerate(files, row):
        try:
            pixels[place], digest, measured = recipe.follow(path)
            outcomes.append((digest, measured))
        except BadImageError as reason:
            outcomes.append(str(reason))
    return outcomes


class DecoderProcess:
    """A process that decodes into the array in a file. One thread at a time may ask it."""

    def __init__(self, recipe: bytes, array: Path) -> None:
        """recipe: pickled. array: file that new_array has made."""
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # It has nothing to multiply; without this each would start a thread for every core.
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
            # Out of the reach of Ctrl-C, which the program that asks has to answer.
            process_group=0,
        )
        assert self._process.stdin
        assert self._process.stdout
        self._questions, self._answers = self._process.stdin, self._process.stdout
        self._first: tuple[bytes, Path] | None = (recipe, array)

    def decode_rows(self, row: int, files: Sequence[Path]) -> list[Outcome]:
        """As the function of that name. Raises what that raises, and DecoderDiedError."""
        try:
            if self._first:
                _send(self._questions, self._first)
                self._first = None
            _send(self._questions, (row, files))
            answer = _receive(self._answers)
        except (EOFError, OSError, pickle.UnpicklingError):
            raise DecoderDiedError(self._ending()) from None
        if isinstance(answer, Exception):
            raise answer
        outcomes: list[Outcome] = answer
        return outcomes

    def _ending(self) -> str:
        try:
            code = self._process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            return "gave an answer that cannot be read"
        if code >= 0:
            return f"ended with exit code {code}"
        killed = " (out of memory?)" if -code == signal.SIGKILL else ""
        return f"was ended by the signal {signal.Signals(-code).name}{killed}"

    def end(self) -> None:
        """End it at once, whatever it does."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._questions, self._answers):
            with contextlib.suppress(OSError):
                pipe.close()


def serve() -> None:
    """What such a process does: decode what comes in, until nothing more can come."""
    from numpy.lib.format import open_memmap

    questions = sys.stdin.buffer
    # What a library prints must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with contextlib.suppress(EOFError, BrokenPipeError):
        recipe, array = _receive(questions)
        recipe, pixels = pickle.loads(recipe), open_memmap(array, "r+")  # noqa: S301
        while True:
            row, files = _receive(questions)
            try:
                answer: Any = decode_rows(recipe, pixels, row, files)
            except Exception as error:
                answer = error
            _send(answers, answer)


def _send(pipe: IO[bytes], message: Any) -> None:
    pickle.dump(message, pipe)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> Any:
    # From the process that started this one, or that this one started.
    return pickle.load(pipe)  # noqa: S301

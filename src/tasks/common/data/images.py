"""Decoding image files that anybody may have written: in parallel, once, with a reason for each that is unusable."""

from __future__ import annotations

import contextlib
import functools
import os
import pickle
import statistics
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from tasks.common.data.decoder_processes import DecoderDiedError, DecoderProcess, Outcome, decode_rows
from tasks.common.data.image_file import BadImageError, Measured, Mode, Recipe, Render, read_image, square
from tasks.common.data.report import SetAside
from tasks.common.data.shards import new_array, open_array
from tasks.common.stage.errors import TaskError
from tasks.common.stage.progress import progress

if TYPE_CHECKING:
    import numpy as np

__all__ = ["BadImageError", "Decoded", "decode_images", "read_image", "square"]

Decoder = Callable[[int, Sequence[Path]], list[Outcome]]

_TIMED = 8
"""Images that are decoded before anything else, to know how long one takes."""
_SECONDS_A_PROCESS = 0.75
"""Of decoding, for each process that is started: starting one takes about 0.1 s, and threads are not idle either."""
_SECONDS_AT_ONCE = 0.02
"""Of decoding, for what is given at once: Python lets one thread at a time give and take."""
_MOST_AT_ONCE = 32


@dataclass(frozen=True)
class Decoded:
    """The usable ones of a list of files."""

    images: np.ndarray
    """(N, H, W, C) uint8, memory-mapped, read-only."""
    kept: tuple[int, ...]
    """For each image, the place of its file in the list."""
    digests: tuple[str, ...]
    """SHA-256 of each image's file: the same whatever size images are prepared in."""
    set_aside: tuple[SetAside, ...]
    measured: tuple[Measured, ...]
    """What each image was before it was given its shape, and how bright it is after."""

    def measures(self, rows: Sequence[int]) -> dict[str, list[int | float]]:
        """The columns for the manifest, of the images in those rows."""
        return {field.name: [getattr(self.measured[row], field.name) for row in rows] for field in fields(Measured)}


def decode_images(
    files: Sequence[Path], render: Render, mode: Mode, *, side: int, root: Path, scratch: Path, label: str
) -> Decoded:
    """Decode `files` on every core at once, and set aside those that cannot be.

    render: from an image to an array of one shape for all, uint8; where it cannot be pickled, as a lambda cannot, or is
    the main program's own, nothing but threads of this process can work. side: of that shape, pixels. root: folder that
    what is set aside is named relative to. scratch: file that takes the pixels, which the caller removes when it has
    sorted them into shards. label: what the progress is called. Raises TaskError where no file is usable, or a process
    that decodes them ends.
    """
    with progress(label, len(files), "image") as advance:
        outcomes: list[Outcome] = []
        # Closed even by Ctrl-C, or processes would stay for as long as somebody looks at the exception.
        with contextlib.closing(_outcomes(files, Recipe(render, mode, side), scratch, label)) as each:
            for outcome in each:
                outcomes.append(outcome)
                advance("")
    set_aside = [
        SetAside(path.relative_to(root).as_posix(), outcome)
        for path, outcome in zip(files, outcomes, strict=True)
        if isinstance(outcome, str)
    ]
    if len(set_aside) == len(files):
        first = f", the first because {files[0]} {set_aside[0].reason}" if files else ""
        raise TaskError(f"{label}: none of {len(files)} files is a usable image{first}; correct the source.")
    kept = [(index, outcome) for index, outcome in enumerate(outcomes) if not isinstance(outcome, str)]
    places = tuple(index for index, _ in kept)
    if set_aside:
        _close_gaps(scratch, places)
    digests, measured = zip(*(outcome for _, outcome in kept), strict=True)
    return Decoded(open_array(scratch)[: len(kept)], places, digests, tuple(set_aside), measured)


def _outcomes(files: Sequence[Path], recipe: Recipe, scratch: Path, label: str) -> Generator[Outcome, None, None]:
    """For each file, in order, what became of it; its pixels are then in its row of the array at `scratch`."""
    import numpy as np

    pixels: np.ndarray | None = None
    # Of work: on a machine that is busy with something else, waiting is no reason to start processes.
    seconds: list[float] = []
    while len(seconds) < len(files) and (pixels is None or len(seconds) < _TIMED):
        begin = time.thread_time()
        row = len(seconds)
        try:
            image, digest, measured = recipe.follow(files[row])
            if pixels is None:
                pixels = new_array(scratch, (len(files), *image.shape), np.uint8)
            pixels[row] = image
            outcome: Outcome = (digest, measured)
        except BadImageError as reason:
            outcome = str(reason)
        seconds.append(time.thread_time() - begin)
        yield outcome
    if pixels is None or len(seconds) == len(files):
        return
    one = statistics.median(seconds)
    at_once = max(1, min(_MOST_AT_ONCE, round(_SECONDS_AT_ONCE / max(one, 1e-6))))
    rows = range(len(seconds), len(files), at_once)
    n_processes = int(one * (len(files) - len(seconds)) / _SECONDS_A_PROCESS)
    with _decoders(recipe, pixels, scratch, n_processes) as decode:
        try:
            for group in decode(rows, [files[row : row + at_once] for row in rows]):
                yield from group
        except DecoderDiedError as how:
            raise TaskError(f"{label}: a process that decodes images {how}; run the stage again.") from None


@contextlib.contextmanager
def _decoders(
    recipe: Recipe, pixels: np.ndarray, scratch: Path, n_processes: int
) -> Iterator[Callable[[Sequence[int], Sequence[Sequence[Path]]], Iterator[list[Outcome]]]]:
    """What decodes groups of files into the rows that begin at those given, and gives the outcomes back in order.

    n_processes: that would pay; no more are started than there are cores beside this process's own.
    """
    n_cores = len(os.sched_getaffinity(0))
    here: Decoder = functools.partial(decode_rows, recipe, pixels)
    pickled = _pickled(recipe)
    with contextlib.ExitStack() as stack:
        pool = ThreadPoolExecutor(n_cores)
        # After an error or Ctrl-C nothing waits for what has not begun.
        stack.callback(pool.shutdown, cancel_futures=True)
        idle: SimpleQueue[Decoder] = SimpleQueue()
        idle.put(here)
        for _ in range(n_cores - 1):
            if pickled is None or n_processes == 0:
                idle.put(here)
            elif idle.qsize() <= n_processes:
                process = DecoderProcess(pickled, scratch)
                stack.callback(process.end)
                idle.put(process.decode_rows)

        def decode(row: int, group: Sequence[Path]) -> list[Outcome]:
            decoder = idle.get()
            try:
                return decoder(row, group)
            finally:
                idle.put(decoder)

        yield functools.partial(pool.map, decode)


def _pickled(recipe: Recipe) -> bytes | None:
    """The recipe for another process, where there is a way."""
    try:
        pickled = pickle.dumps(recipe)
    except (pickle.PicklingError, AttributeError, TypeError):
        return None
    return None if b"__main__" in pickled else pickled


def _close_gaps(scratch: Path, places: Sequence[int]) -> None:
    """Move the rows that are in those places to the front."""
    from numpy.lib.format import open_memmap

    pixels = open_memmap(scratch, "r+")
    for row, place in enumerate(places):
        if place != row:
            pixels[row] = pixels[place]

"""How fast images are prepared, from small files and from large ones, beside the fastest decoder on every core."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.images import TRAIN_SIDE, prepare, read, write_jpegs
from benchmarks.timing import Pair, Row, in_turn, spent

if TYPE_CHECKING:
    import numpy as np

    Decoder = Callable[[Path], "np.ndarray"]

SIZES = {256: 2_000, 1_024: 200}
"""Side of the square JPEG files, in pixels -> how many of them."""
TRIED = 100


def rows(scratch: Path, *, quick: bool = False) -> list[Row]:
    """A row for each size: `prepare` with digests and shards beside decoding and resizing alone, once per core."""
    cores = len(os.sched_getaffinity(0))
    table = []
    for side, count in SIZES.items():
        count = count // 4 if quick else count
        print(f"benchmark: writing {count} JPEG images of {side} x {side}", flush=True)
        files = write_jpegs(scratch / f"files-{side}", count, side)
        name, decode = fastest(files[:TRIED])
        shards = scratch / f"shards-{side}"
        pair = in_turn(
            lambda files=files, shards=shards: spent(lambda: prepare(files, shards)),
            lambda files=files, decode=decode: spent(lambda: [decode(file) for file in files]),
            runs=2 if quick else 5,
        )
        # As if all cores decoded at the speed of one, which the loop of one thread is timed for.
        peer = Pair(pair.ours, tuple(seconds / cores for seconds in pair.theirs))
        what = f"prepare, {side} x {side} to {TRAIN_SIDE} x {TRAIN_SIDE}"
        table.append(
            peer.rate_row(what, count, "images", f"{cores} cores times one core's {name}", "at least 0.8", digits=2)
        )
    return table


def fastest(files: Sequence[Path]) -> tuple[str, Decoder]:
    """The decoder that takes the least time for one of the files, and its name; only what is installed is tried."""
    decoders: dict[str, Decoder] = {"Pillow": read, "Pillow in draft mode": _draft}
    times = {
        name: statistics.median(spent(lambda file=file, decode=decode: decode(file)) for file in files)
        for name, decode in decoders.items()
    }
    chosen = min(times, key=lambda name: times[name])
    print(f"benchmark: {', '.join(f'{name} {s * 1e3:.2f} ms' for name, s in times.items())} an image", flush=True)
    return chosen, decoders[chosen]


def _draft(file: Path) -> np.ndarray:
    """(H, W, C) uint8 of an image that the decoder itself has made smaller, by a power of two, where it can."""
    import numpy as np
    from PIL import Image

    with Image.open(file) as image:
        image.draft("RGB", (TRAIN_SIDE, TRAIN_SIDE))
        return np.asarray(image.convert("RGB").resize((TRAIN_SIDE, TRAIN_SIDE)))

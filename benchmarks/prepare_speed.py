"""How fast images are prepared, from small files and from large ones, beside the fastest decoders on every core."""

from __future__ import annotations

import io
import math
import os
import statistics
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

from benchmarks.images import TRAIN_SIDE, prepare, write_jpegs
from benchmarks.timing import Pair, Row, in_turn, spent

if TYPE_CHECKING:
    import numpy as np

    Decoder = Callable[[Path | IO[bytes], int], "np.ndarray"]

SIZES = {256: 2_000, 1_024: 200}
"""Side of the square JPEG files, in pixels -> how many of them."""
TIMES_OVER = 5
"""The files are also prepared this often in one go: what starting processes costs is then as little as of real sets."""
TRIED = 100
SIDES = (50, 64, 100, 130, 200)
"""Pixels of the squares that photographs are made for a comparison of sharpness."""
AS_SHARP_DB = 34.0


def rows(scratch: Path, *, quick: bool = False) -> list[Row]:
    """For each size: `prepare`, with digests and shards, beside decoding and resizing alone, once per core.

    Beside the fastest decoder of those that are as sharp, and beside the fastest where that is another.
    """
    cores = len(os.sched_getaffinity(0))
    sharpness_db = {name: _least_psnr_db(decode) for name, decode in DECODERS.items()}
    print("benchmark: sharpness on photographs: " + ", ".join(f"{n} {db:.1f} dB" for n, db in sharpness_db.items()))
    sharp = [name for name, db in sharpness_db.items() if db >= AS_SHARP_DB]
    table = []
    for side, count in SIZES.items():
        count = count // 4 if quick else count
        print(f"benchmark: writing {count} JPEG images of {side} x {side}", flush=True)
        files = write_jpegs(scratch / f"files-{side}", count, side)
        shards = scratch / f"shards-{side}"
        fastest, as_sharp = _fastest(list(DECODERS), files), _fastest(sharp, files)
        wanted = [(files, as_sharp, "at least 0.8"), (files * TIMES_OVER, as_sharp, "at least 0.8")]
        for these, name, aim in wanted if fastest == as_sharp else [(files, fastest, ""), *wanted]:
            pair = in_turn(
                lambda these=these, shards=shards: spent(lambda: prepare(these, shards)),
                lambda these=these, decode=DECODERS[name]: spent(lambda: [decode(file, TRAIN_SIDE) for file in these]),
                runs=2 if quick else 5,
            )
            # As if all cores decoded at the speed of one, which the loop of one thread is timed for.
            peer = Pair(pair.ours, tuple(seconds / cores for seconds in pair.theirs))
            what = f"prepare, {len(these):,} of {side} x {side} to {TRAIN_SIDE} x {TRAIN_SIDE}"
            beside = f"{cores} cores times one core's {name}, {sharpness_db[name]:.1f} dB"
            table.append(peer.rate_row(what, len(these), "images", beside, aim, digits=2))
    return table


def _fastest(names: Sequence[str], files: Sequence[Path]) -> str:
    """The decoder that takes the least time for one of the files."""
    tried = files[:TRIED]
    times = {
        name: statistics.median(spent(lambda file=file, name=name: DECODERS[name](file, TRAIN_SIDE)) for file in tried)
        for name in names
    }
    return min(times, key=lambda name: times[name])


def _least_psnr_db(decode: Decoder) -> float:
    """The least peak signal-to-noise ratio of photographs of 640 x 427 pixels, beside those wholly decoded."""
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_sample_images

    least = math.inf
    for pixels in load_sample_images().images:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=90)
        for side in SIDES:
            difference = decode(file, side).astype(float) - _whole(file, side)
            error = float(np.square(difference).mean())
            least = min(least, 10 * math.log10(255**2 / error) if error else math.inf)
    return least


def _whole(file: Path | IO[bytes], side: int) -> np.ndarray:
    """(side, side, C) uint8 of an image that is decoded pixel by pixel."""
    import numpy as np
    from PIL import Image

    with Image.open(file) as image:
        return np.asarray(image.convert("RGB").resize((side, side)))


def _draft(file: Path | IO[bytes], side: int, *, times: int) -> np.ndarray:
    """The same of one that the decoder itself has made smaller, by a power of two, to `times` the side or more."""
    import numpy as np
    from PIL import Image

    with Image.open(file) as image:
        image.draft("RGB", (times * side, times * side))
        return np.asarray(image.convert("RGB").resize((side, side)))


DECODERS: dict[str, Decoder] = {
    "Pillow": _whole,
    "Pillow in draft mode": partial(_draft, times=1),
    "Pillow in draft mode, twice the size": partial(_draft, times=2),
}
"""What is installed for it, in its fastest ways."""

"""`make bench`: the quick benchmarks, or those that are named.

`--quick` and `--seed=N` are for verdict_calibration: fewer draws, and the seed of an earlier run.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchmarks import (
    comparison_speed,
    images,
    loop,
    loose_files,
    seed_luck,
    six_tasks,
    tracking_speed,
    verdict_calibration,
)
from benchmarks.timing import Row
from pawl.pipeline.environment import describe_machine

HEADINGS = ("what", "pawl", "beside", "ratio: median (least to largest)", "aim")
QUICK: dict[str, Callable[[Path], Sequence[Row]]] = {"loop": loop.rows, "images": images.rows}
LONG: dict[str, Callable[[Path], Sequence[Row]]] = {
    "loose_files": loose_files.rows,
    "six_tasks": six_tasks.rows,
    "comparison_speed": comparison_speed.rows,
    "seed_luck": seed_luck.rows,
    "tracking_speed": tracking_speed.rows,
}


def main(arguments: Sequence[str]) -> None:
    """Print the timings of the benchmarks as a Markdown table: of all quick ones where none is named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int)
    given = parser.parse_args(arguments)
    names = given.names
    calibration = partial(verdict_calibration.rows, quick=given.quick, seed=given.seed)
    known = QUICK | LONG | {"verdict_calibration": calibration}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f'"{unknown[0]}" is no benchmark; known: {", ".join(known)}')
    machine = describe_machine()
    table: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="pawl-bench-") as folder:
        # Set-up left by an earlier run of the developer's own must not count.
        os.environ["DVC_SITE_CACHE_DIR"] = f"{folder}/site"
        for name in names or QUICK:
            scratch = Path(folder) / name
            scratch.mkdir()
            table += known[name](scratch)
    load = os.getloadavg()[0]
    print(f"\n{machine.device}, {machine.cpu_count} cores, Python {machine.python}; load at the end {load:.1f}.\n")
    for row in (HEADINGS, ("---",) * len(HEADINGS), *table):
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main(sys.argv[1:])

"""The quick benchmarks, or those that are named; `all`, which `make bench` runs, is every one that has a ratio."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchmarks import (
    cluster_speed,
    comparison_speed,
    growth,
    images,
    loop,
    loose_files,
    prepare_speed,
    report_speed,
    seed_luck,
    six_tasks,
    tracking_speed,
    training_speed,
    verdict_calibration,
)
from benchmarks.timing import Row
from pawl.pipeline.environment import describe_machine

HEADINGS = ("what", "pawl", "beside", "ratio: median (least to largest)", "aim")
Rows = Callable[[Path], Sequence[Row]]
QUICK = ("loop", "images")
NO_RATIO = ("verdict_calibration",)


def known(given: argparse.Namespace) -> dict[str, Rows]:
    """Every benchmark by its name, with what was asked for; the quick ones first."""
    of_size = {} if given.images is None else {"n_images": given.images}
    return {
        "loop": loop.rows,
        "images": images.rows,
        "prepare_speed": partial(prepare_speed.rows, quick=given.quick),
        "training_speed": partial(training_speed.rows, quick=given.quick),
        "report_speed": partial(report_speed.rows, quick=given.quick),
        "loose_files": partial(loose_files.rows, runs=1 if given.quick else loose_files.RUNS, **of_size),
        "six_tasks": six_tasks.rows,
        "cluster_speed": partial(cluster_speed.rows, quick=given.quick),
        "comparison_speed": comparison_speed.rows,
        "growth": partial(growth.rows, full=given.full, quick=given.quick, pictures=given.pictures),
        "seed_luck": seed_luck.rows,
        "tracking_speed": tracking_speed.rows,
        "verdict_calibration": partial(verdict_calibration.rows, quick=given.quick, seed=given.seed),
    }


def main(arguments: Sequence[str]) -> None:
    """Print the timings of the benchmarks as a Markdown table: of all quick ones where none is named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help="benchmarks, or all; one that is not there names them")
    parser.add_argument("--quick", action="store_true", help="smaller and fewer, to see whether all runs")
    parser.add_argument("--full", action="store_true", help="growth: a million files and ten million predictions too")
    parser.add_argument("--images", type=int, help=f"loose_files: how many; {loose_files.N_IMAGES:,} unless given")
    parser.add_argument("--pictures", type=Path, help="growth: folder for a plot as SVG and PNG")
    parser.add_argument("--seed", type=int, help="verdict_calibration: the seed of an earlier run")
    given = parser.parse_args(arguments)
    benchmarks = known(given)
    names = [name for name in benchmarks if name not in NO_RATIO] if given.names == ["all"] else given.names or QUICK
    unknown = [name for name in names if name not in benchmarks]
    if unknown:
        raise SystemExit(f'"{unknown[0]}" is no benchmark; known: all, {", ".join(benchmarks)}')
    machine = describe_machine()
    table: list[Row] = []
    problems = []
    with tempfile.TemporaryDirectory(prefix="pawl-bench-") as folder:
        # Set-up left by an earlier run of the developer's own must not count.
        os.environ["DVC_SITE_CACHE_DIR"] = f"{folder}/site"
        for name in names:
            scratch = Path(folder) / name
            scratch.mkdir()
            try:
                table += benchmarks[name](scratch)
            except (SystemExit, AssertionError, OSError, subprocess.CalledProcessError) as problem:
                # What the others measured, maybe for hours, is not lost by it.
                problems.append(f"{name}: {problem!r}")
            shutil.rmtree(scratch)
    load = os.getloadavg()[0]
    print(f"\n{machine.device}, {machine.cpu_count} cores, Python {machine.python}; load at the end {load:.1f}.\n")
    for row in (HEADINGS, ("---",) * len(HEADINGS), *table):
        print(f"| {' | '.join(row)} |")
    if problems:
        raise SystemExit("\n".join(problems))


if __name__ == "__main__":
    main(sys.argv[1:])

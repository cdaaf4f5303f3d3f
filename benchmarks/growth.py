"""How time and memory grow with stages, files, predictions and metrics: a process for each point, and an exponent.

Exponents are of CPU seconds, which the load of other processes changes least.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.exponent import fit_growth
from benchmarks.timing import SOURCE, Row, peak_mib

Step = Callable[[Path, int], None]


@dataclass(frozen=True)
class Subject:
    """Something that grows: `make` prepares a folder for size n, and each of `steps` is measured there, in order."""

    unit: str
    sizes: tuple[int, ...]
    make: Step
    steps: Mapping[str, Step]
    """What is done, in words -> the work on the folder, of that size."""
    full_sizes: tuple[int, ...] = ()
    """With `full` alone: minutes each, and gigabytes."""


@dataclass(frozen=True)
class Point:
    """One step at one size, in a process of its own."""

    what: str
    unit: str
    size: int
    seconds: float
    cpu_seconds: float
    """Of the process and of those that it waited for."""
    mib: float
    """The most memory that the process itself had at once."""


SUBJECTS = {
    "stages": "benchmarks.growth_stages",
    "files": "benchmarks.growth_files",
    "manifests": "benchmarks.growth_manifests",
    "predictions": "benchmarks.growth_predictions",
    "metrics": "benchmarks.growth_metrics",
}
"""Name -> module with a SUBJECT."""


def rows(scratch: Path, *, full: bool = False, quick: bool = False, pictures: Path | None = None) -> list[Row]:
    """A row for each step with its exponent, after a table of all points; `pictures`: folder for a plot of them.

    full: the largest sizes too. quick: without the largest of the others, to see whether all runs.
    """
    points: list[Point] = []
    for name in SUBJECTS:
        subject = subject_of(name)
        sizes = subject.sizes[:-1] if quick else (*subject.sizes, *(subject.full_sizes if full else ()))
        for size in sizes:
            folder = scratch / f"{name}-{size}"
            folder.mkdir()
            _in_own_process(name, "make", folder, size)
            for step in subject.steps:
                found = Point(step, subject.unit, size, **_in_own_process(name, step, folder, size))
                print(
                    f"benchmark: {step}, {size:,} {subject.unit}: {found.seconds:.2f} s, {found.mib:.0f} MiB",
                    flush=True,
                )
                points.append(found)
            shutil.rmtree(folder)
    _print_points(points)
    if pictures is not None:
        from benchmarks.growth_plot import draw_growth

        written = draw_growth(points, pictures)
        print(f"\nbenchmark: {' and '.join(str(path) for path in written)}", flush=True)
    return [_row(of) for of in by_step(points).values()]


def subject_of(name: str) -> Subject:
    """The subject of that name; its module imports little, because what it imports counts as memory."""
    subject: Subject = importlib.import_module(SUBJECTS[name]).SUBJECT
    return subject


def by_step(points: Sequence[Point]) -> dict[tuple[str, str], list[Point]]:
    """The points of each step, by what it does and the unit, by rising size."""
    groups: dict[tuple[str, str], list[Point]] = {}
    for point in sorted(points, key=lambda point: point.size):
        groups.setdefault((point.what, point.unit), []).append(point)
    return groups


def run_command(folder: Path, *arguments: str) -> None:
    """`pawl` with these arguments in this process; a closed gate is none of a benchmark's business."""
    from pawl.cli import main as pawl

    sys.argv = ["pawl", *arguments]
    with contextlib.chdir(folder), Path(os.devnull).open("w") as nothing, contextlib.redirect_stdout(nothing):
        try:
            pawl()
        except SystemExit as end:
            if end.code not in (0, 1, None):
                raise


def _row(points: Sequence[Point]) -> Row:
    least, most = points[0], points[-1]
    growth = fit_growth([point.size for point in points], [point.cpu_seconds for point in points])
    return (
        f"{most.what}, {least.size:,} to {most.size:,} {most.unit}",
        f"{most.seconds:.2f} s, {most.mib:.0f} MiB",
        f"{least.seconds:.2f} s, {least.mib:.0f} MiB: the fewest",
        f"{growth} (n log n here: n^{growth.allowed:.2f})",
        "at most n log n",
    )


def _print_points(points: Sequence[Point]) -> None:
    print("\n| what | n | wall s | CPU s | peak MiB |\n|---|---|---|---|---|")
    for of in by_step(points).values():
        for point in of:
            print(
                f"| {point.what} | {point.size:,} {point.unit} | {point.seconds:.2f} | {point.cpu_seconds:.2f} | "
                f"{point.mib:.0f} |"
            )


def _in_own_process(name: str, step: str, folder: Path, size: int) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.growth", name, step, str(folder), str(size)],
        cwd=SOURCE,
        capture_output=True,
        text=True,
        env=os.environ | {"DVC_NO_ANALYTICS": "1"},
    )
    if done.returncode:
        raise SystemExit(f"{step} of {size} {name} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(arguments: Sequence[str]) -> None:
    """Do one step in this process, its imports included, and print what it cost."""
    name, step, folder, size = arguments
    subject = subject_of(name)
    work = subject.make if step == "make" else subject.steps[step]
    start, cpu_start = time.perf_counter(), _cpu_seconds()
    work(Path(folder), int(size))
    cost = {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": _cpu_seconds() - cpu_start,
        "mib": peak_mib(),
    }
    print(json.dumps(cost))


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    main(sys.argv[1:])

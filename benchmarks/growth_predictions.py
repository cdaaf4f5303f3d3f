"""Comparisons of two predictions files of many examples."""

from __future__ import annotations

from pathlib import Path

from benchmarks.growth import Subject


def make(folder: Path, examples: int) -> None:
    """What the benchmark of a million predictions compares, in another size."""
    from benchmarks.comparison_speed import write_both

    write_both(folder, examples)


def _compare(folder: Path, _: int) -> None:
    from benchmarks.comparison_speed import measure_ours

    measure_ours(folder)


SUBJECT = Subject(
    "predictions",
    (1_000, 10_000, 100_000, 300_000, 1_000_000),
    make,
    {"comparison: read, pair, 5 metrics": _compare},
    full_sizes=(10_000_000,),
)

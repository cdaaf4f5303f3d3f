"""Manifests of many examples: split, written and read by the tasks, and compared between two sides."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.growth import Subject

if TYPE_CHECKING:
    from tasks.common.data.splits import SplitParams

LABELS = 10


def make(folder: Path, examples: int) -> None:
    """Manifests of base and of head, which lacks each hundredth example."""
    from tasks.common.data.manifest import split_examples, write_manifest

    for side, numbers in (("base", range(examples)), ("head", (n for n in range(examples) if n % 100))):
        labels, digests, sources = _columns(list(numbers))
        (folder / side).mkdir()
        write_manifest(folder / side, split_examples(labels, digests, sources, _split()), "benchmark")


def _write_and_read(folder: Path, examples: int) -> None:
    from tasks.common.data.manifest import read_manifest, split_examples, write_manifest

    labels, digests, sources = _columns(list(range(examples)))
    (folder / "again").mkdir()
    write_manifest(folder / "again", split_examples(labels, digests, sources, _split()), "benchmark")
    assert len(read_manifest(folder / "again")) == examples


def _compare(folder: Path, examples: int) -> None:
    from pawl.compare.data.differences import manifest_difference

    notes: list[str] = []
    paths = [folder / side / "manifest.csv" for side in ("base", "head")]
    found = manifest_difference("benchmark", "manifest.csv", *paths, notes.append)
    assert found is not None, notes


def _split() -> SplitParams:
    from tasks.common.data.splits import SplitParams

    return SplitParams(validation_fraction=0.15, test_fraction=0.25, seed=1, max_rejected_share=0.1)


def _columns(numbers: list[int]) -> tuple[list[str], list[str], list[str]]:
    digests = [hashlib.sha256(number.to_bytes(8, "big")).hexdigest() for number in numbers]
    return [str(number % LABELS) for number in numbers], digests, [f"{number}.png" for number in numbers]


SUBJECT = Subject(
    "examples",
    (1_000, 3_000, 10_000, 30_000, 100_000),
    make,
    {"manifest: split, write, read": _write_and_read, "manifests of two sides compared": _compare},
    full_sizes=(1_000_000,),
)

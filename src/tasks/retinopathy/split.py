"""A data version with a split of its own: `python -m tasks.retinopathy.split FROM TO`.

The original is left alone, and the files are copies: DVC would change the rights of one that is linked.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tasks.common.data.splits import SplitParams, assign_splits
from tasks.common.stage.errors import EXIT_INPUT, TaskError
from tasks.common.stage.files import file_digest, new_folder
from tasks.common.stage.progress import progress, say
from tasks.retinopathy.prepare.layout import GRADE, ID, ORIGINAL_FILE, SPLIT, SPLIT_FILE, find_photographs

MAX_GRADES = 100


def split_folder(original: Path, target: Path, validation_fraction: float, seed: int) -> dict[str, int]:
    """Write `original`, in the layout of the competition, to the new folder `target` in the split layout.

    Each grade's share in validation is `validation_fraction`; equal files land on one side. Returns the photographs of
    each side. Raises TaskError for another layout, rows that cannot be used, or a `target` that is there.
    """
    if target.exists():
        raise TaskError(f"{target} is there already; remove it, or name another folder.")
    found = find_photographs(original, MAX_GRADES)
    if found.set_aside or not found.photographs:
        first = found.set_aside[0] if found.set_aside else None
        where = f"{first.source} {first.reason}" if first else f"{ORIGINAL_FILE} has no rows"
        raise TaskError(f"{original}: {where}; correct it before the split becomes a data version.")
    if any(photograph.split for photograph in found.photographs):
        raise TaskError(f"{original} has a split already; split the original version.")
    digests = [file_digest(photograph.file) for photograph in found.photographs]
    # The first cut is the exact one; prepare takes a test split from the training photographs later.
    params = SplitParams(validation_fraction=1e-9, test_fraction=validation_fraction, seed=seed, max_rejected_share=0)
    cut = assign_splits([photograph.grade for photograph in found.photographs], digests, params)
    sides = ["validation" if split == "test" else "train" for split in cut]
    with new_folder(target) as folder, progress("split", len(sides), "photograph") as advance:
        for side in ("train", "validation"):
            (folder / side).mkdir()
        for photograph, side in zip(found.photographs, sides, strict=True):
            shutil.copyfile(photograph.file, folder / side / photograph.file.name)
            advance("")
        with (folder / SPLIT_FILE).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow((ID, GRADE, SPLIT))
            for photograph, side in zip(found.photographs, sides, strict=True):
                writer.writerow((photograph.file.stem, photograph.grade, side))
    return {side: sides.count(side) for side in ("train", "validation")}


def main(arguments: Sequence[str]) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tasks.retinopathy.split", description=split_folder.__doc__)
    parser.add_argument("original", type=Path, help="folder with train.csv and train_images/")
    parser.add_argument("target", type=Path, help="new folder")
    parser.add_argument("--validation-fraction", type=float, default=0.2, help="above 0, below 0.5")
    parser.add_argument("--seed", type=int, default=1, help="any whole number from 0")
    given = parser.parse_args(arguments)
    if not 0 < given.validation_fraction < 0.5 or given.seed < 0:
        parser.error("--validation-fraction must be above 0 and below 0.5, and --seed at least 0")
    try:
        counts = split_folder(given.original, given.target, given.validation_fraction, given.seed)
    except TaskError as error:
        say(f"error: {error}")
        return EXIT_INPUT
    say(", ".join(f"{count} in {side}" for side, count in counts.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

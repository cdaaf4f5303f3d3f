"""What packed shards save DVC: add, push and pull of many small files, beside the same pixels in one file a split."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from benchmarks.timing import Pair, Row, git, seconds

N_IMAGES = 100_000
SIDE = 32
FOLDERS = 100
RUNS = 3
STEPS = ("add", "push", "pull")


@dataclass(frozen=True)
class Moved:
    """Wall seconds of each step."""

    add: float
    push: float
    pull: float


def rows(scratch: Path, n_images: int = N_IMAGES, runs: int = RUNS) -> list[Row]:
    """A row for each step; a repetition of both ways in turn, each in repositories of its own."""
    print(f"benchmark: writing {n_images:,} images, as files and as shards", flush=True)
    loose, shards = scratch / "loose", scratch / "shards"
    write_both(loose, shards, n_images)
    n_shards = len(list(shards.iterdir()))
    ours, theirs = [], []
    for run in range(runs):
        print(f"benchmark: moving both, {run + 1} of {runs}", flush=True)
        ours.append(move(shards, scratch / f"run-{run}-shards"))
        theirs.append(move(loose, scratch / f"run-{run}-loose"))
    return [
        Pair(tuple(getattr(run, step) for run in ours), tuple(getattr(run, step) for run in theirs)).times_row(
            f"dvc {step} of {n_images:,} images of {SIDE} x {SIDE} in {n_shards} shards",
            f"dvc {step} of them as PNG files",
            "at least 10 times as fast",
        )
        for step in STEPS
    ]


def write_both(loose: Path, shards: Path, n_images: int) -> None:
    """The same pixels as PNG files in folders and as one array a split."""
    import numpy as np
    from PIL import Image

    # Noise has no use for compression: both ways have nearly the same bytes.
    pixels = np.random.default_rng(0).integers(0, 256, (n_images, SIDE, SIDE, 3), np.uint8)
    for number, image in enumerate(pixels):
        folder = loose / f"{number % FOLDERS:02d}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{number}.png", compress_level=1)
    shards.mkdir(parents=True)
    ends = (n_images * 60 // 100, n_images * 75 // 100)
    for name, part in zip(("train", "validation", "test"), np.split(pixels, ends), strict=True):
        np.save(shards / f"images-{name}.npy", part)


def move(content: Path, scratch: Path) -> Moved:
    """`dvc add` and `dvc push` in a new repository, and `dvc pull` in a clone of it; then all of it is deleted."""
    root, clone = scratch / "root", scratch / "clone"
    root.mkdir(parents=True)
    git(root, "init", "--quiet", "--initial-branch=main")
    seconds(["dvc", "init", "--quiet"], root)
    seconds(["dvc", "remote", "add", "--quiet", "--default", "disk", str(scratch / "remote")], root)
    shutil.copytree(content, root / "data")
    add = seconds(["dvc", "add", "data"], root)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "data")
    push = seconds(["dvc", "push"], root)
    git(scratch, "clone", "--quiet", str(root), str(clone))
    pull = seconds(["dvc", "pull"], clone)
    there = sum(path.is_file() for path in (clone / "data").rglob("*"))
    assert there == sum(path.is_file() for path in content.rglob("*")), there
    shutil.rmtree(scratch)
    return Moved(add, push, pull)

"""What the training loops cost: examples a second of each task, beside a bare loop over ready tensors in memory.

Each task in a process of its own; the first epoch of each repetition, which compiles, does not count.
"""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.timing import SOURCE, Pair, Row
from benchmarks.trainings import FRAMEWORKS, Training, in_memory, prepare, table_of, training_of

if TYPE_CHECKING:
    import numpy as np

    from tasks.common.learning.batches import Batches

    # An epoch's wall seconds each, the first left out.
    Loop = Callable[[], list[float]]

TASKS = ("digits", "tabular", "retinopathy", "prostate", "posters", "pets")
RUNS = 5
EPOCHS = 3
EPOCH_SECONDS = 1.0
"""The data of a task are repeated until an epoch takes that long: those of some are a few batches."""
AIM_MEMORY, AIM_DISK = "at least 0.95", "at least 0.9"


def rows(scratch: Path, *, quick: bool = False) -> list[Row]:
    """Two rows for each task: from memory and, but for tabular, from its shards with a cold page cache."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(SOURCE / name, scratch)
    table: list[Row] = []
    for task in TASKS:
        print(f"benchmark: {task}: fetching, preparing and training", flush=True)
        found = _in_own_process(task, scratch, quick)
        for what, (ours, bare) in found["loops"].items():
            aim = AIM_MEMORY if what == "memory" else AIM_DISK
            where = "tensors in memory" if what == "memory" else f"{found['mib']:.1f} MiB of shards, cold, transformed"
            peer = f"a bare {found['peer']} loop over ready tensors"
            pair = Pair(tuple(ours), tuple(bare))
            table.append(pair.rate_row(f"{task}: {where}", found["examples"], "examples", peer, aim, digits=2))
            print("benchmark: " + ", ".join(table[-1]), flush=True)
    return table


def measure(task: str, root: Path, quick: bool) -> dict[str, Any]:
    """The seconds of an epoch, run for run: {"loops": {"memory": [ours, bare], "disk": ...}, "examples": N, ...}."""
    runs, seconds = (2, EPOCH_SECONDS / 4) if quick else (RUNS, EPOCH_SECONDS)
    prepare(root, task)
    if task == "tabular":
        return _in_turn(*_tabular(root, seconds), runs, "scikit-learn", 0.0)
    training = training_of(root, task)
    inputs, targets = in_memory(training.train)
    bare = _bare(training)
    times = _repeats(bare(inputs, targets, 2)[-1], seconds)
    inputs, targets = _repeated(inputs, times), _repeated(targets, times)
    ready = replace(training.train, inputs=inputs, targets=targets, transform=None)
    train, shards = _on_disk(training.train, times, root)
    loops = {
        "bare": lambda: bare(inputs, targets, EPOCHS)[1:],
        "memory": lambda: _ours(training, ready, root / "checkpoints", lambda: None),
        "disk": lambda: _ours(training, train, root / "checkpoints", partial(_drop, shards)),
    }
    mib = sum(path.stat().st_size for path in shards) / 2**20
    return _in_turn(loops, len(inputs), runs, "PyTorch" if training.framework == "torch" else "tf.function", mib)


def _in_turn(loops: dict[str, Loop], examples: int, runs: int, peer: str, mib: float) -> dict[str, Any]:
    found: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(runs):
        for name, loop in loops.items():
            of_epochs = loop()
            found[name].append(sum(of_epochs) / len(of_epochs))
    bare = found.pop("bare")
    return {
        "loops": {name: (ours, bare) for name, ours in found.items()},
        "examples": examples,
        "peer": peer,
        "mib": mib,
    }


def _ours(training: Training, train: Batches, scratch: Path, before_epoch: Callable[[], None]) -> list[float]:
    """The seconds of each epoch but the first, with what is measured, kept and written after it."""
    starts, ends = [], []

    def log_epoch(_: Any) -> None:
        ends.append(time.perf_counter())
        before_epoch()
        starts.append(time.perf_counter())

    training.fit(train, EPOCHS, scratch, log_epoch)
    shutil.rmtree(scratch)
    return [end - start for start, end in zip(starts[:-1], ends[1:], strict=True)]


def _bare(training: Training) -> Callable[..., list[float]]:
    from benchmarks.bare_loops import bare_tensorflow, bare_torch

    return partial(bare_torch if training.framework == "torch" else bare_tensorflow, training)


def _tabular(root: Path, seconds: float) -> tuple[dict[str, Loop], int]:
    """The loops of scikit-learn's network; every epoch of it measures the training rows too."""
    from benchmarks.bare_loops import bare_sklearn
    from tasks.tabular.train import run

    params, (inputs, targets) = table_of(root)
    times = _repeats(bare_sklearn(params, inputs, targets, 2)[-1], seconds)
    inputs, targets = _repeated(inputs, times), _repeated(targets, times)
    chosen = params.model_copy(update={"epochs": EPOCHS})

    def ours() -> list[float]:
        ends: list[float] = []
        run._fit_mlp(chosen, (inputs, targets), (inputs[:1], targets[:1]), lambda _: ends.append(time.perf_counter()))
        return [end - start for start, end in itertools.pairwise(ends)]

    return {"bare": lambda: bare_sklearn(params, inputs, targets, EPOCHS)[1:], "memory": ours}, len(inputs)


def _repeats(seconds: float, wanted: float) -> int:
    return max(1, round(wanted / seconds))


def _repeated(array: np.ndarray, times: int) -> np.ndarray:
    """(N, ...) to (times * N, ...)."""
    import numpy as np

    return np.concatenate([array] * times)


def _on_disk(train: Batches, times: int, root: Path) -> tuple[Batches, list[Path]]:
    """The task's own batches, repeated, and the files that they read."""
    import numpy as np

    from tasks.common.data.shards import open_array

    targets = _repeated(train.targets, times)
    if not isinstance(train.inputs, np.memmap):
        # Of prostate the inputs are numbers of slices, which the transform reads from the arrays of all folds.
        arrays = sorted(root.glob("data/prostate/prepared/*.npy"))
        return replace(train, inputs=_repeated(train.inputs, times), targets=targets), arrays
    shard = root / "repeated.npy"
    np.save(shard, _repeated(train.inputs, times))
    return replace(train, inputs=open_array(shard), targets=targets), [shard]


def _drop(shards: Sequence[Path]) -> None:
    from benchmarks.page_cache import drop_pages

    drop_pages(shards)


def _in_own_process(task: str, root: Path, quick: bool) -> dict[str, Any]:
    arguments = [task, str(root), *(["quick"] if quick else [])]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.training_speed", *arguments], cwd=SOURCE, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"the training of {task} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(arguments: Sequence[str]) -> None:
    """Measure one task in this process, and print what was found."""
    task, root, *quick = arguments
    assert task == "tabular" or task in FRAMEWORKS, task
    print(json.dumps(measure(task, Path(root), bool(quick))))


if __name__ == "__main__":
    main(sys.argv[1:])

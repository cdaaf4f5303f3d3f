"""Where a training stands, on disk: an interrupted one goes on, and ends in the very bytes that it would have ended in.

A checkpoint is one safetensors file, named by its number and the SHA-256 of its content: it is whole or it is not used.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.common.learning.nodes import is_follower
from tasks.common.learning.ranks import Again, become, this_rank
from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import file_digest, new_file
from tasks.common.stage.params import StageParams
from tasks.common.stage.paths import TaskPaths
from tasks.common.stage.progress import say

if TYPE_CHECKING:
    import numpy as np

CHECKPOINTS_FOLDER = ".checkpoints"
KEPT = 2
_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Snapshot:
    """What one checkpoint holds."""

    arrays: Mapping[str, np.ndarray]
    record: Mapping[str, Any]
    """JSON."""


@dataclass
class PhaseCheckpoints:
    """The checkpoints of one phase of a training."""

    folder: Path
    label: str
    """What is trained, in words."""
    again: Again | None = None
    """How other processes come to this training, to be its ranks."""
    written_at_seconds: float = field(default_factory=time.monotonic)

    def newest(self) -> Snapshot | None:
        """The newest checkpoint that is whole, or None. Says which are not."""
        for path in sorted(self.folder.glob(f"*{_SUFFIX}"), reverse=True):
            number, _, digest = path.name.removesuffix(_SUFFIX).partition("-")
            if number.isdigit() and file_digest(path) == digest:
                return _read(path)
            say(f"{self.label}: the checkpoint {path} is damaged and not used.")
            path.unlink()
        return None

    def due(self, every_seconds: float) -> bool:
        """Whether the last checkpoint is that old."""
        return time.monotonic() - self.written_at_seconds >= every_seconds

    def write(self, snapshot: Snapshot) -> None:
        """Write a checkpoint and remove all but it and the one before."""
        import numpy as np
        from safetensors.numpy import save

        # safetensors writes an array's memory as it lies there.
        arrays = {name: np.asarray(array, order="C") for name, array in snapshot.arrays.items()}
        record = json.dumps(snapshot.record, allow_nan=False)
        content = save(arrays, metadata={"record": record})
        before = sorted(self.folder.glob(f"*{_SUFFIX}"))
        number = int(before[-1].name.partition("-")[0]) + 1 if before else 0
        name = f"{number:08d}-{hashlib.sha256(content).hexdigest()}{_SUFFIX}"
        with new_file(self.folder / name) as partial:
            partial.write_bytes(content)
        for old in before[: len(before) + 1 - KEPT]:
            old.unlink()
        self.written_at_seconds = time.monotonic()


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one training."""

    folder: Path
    label: str
    """What is trained, in words."""
    again: Again | None = None
    """How other processes come to this training, to be its ranks."""

    def phase(self, name: str) -> PhaseCheckpoints:
        """Those of the phase `name`, such as `head`. A phase that is complete is not trained again."""
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        if this_rank().writes:
            for partial in folder.glob(f".*{_SUFFIX}"):
                partial.unlink()
        return PhaseCheckpoints(folder, f"{self.label}, {name}", self.again)


@contextmanager
def checkpoints(
    paths: TaskPaths, key: str | None, params: StageParams, part: str = "", again: Again | None = None
) -> Iterator[Checkpoints]:
    """The checkpoints of a training with these parameters, which are removed when the block ends without an error.

    key: the stage's, or None where there is none; then the prepared data and the code stand in for it.
    part: for a training that is one of several of a stage in processes of their own, its name, such as `fold-0`.
    again: how other processes come to such a part, without which it cannot be trained on several devices.
    Raises TaskError where the parameters ask for several machines and this one's place among them is unknown.
    """
    label = " ".join(["train", paths.task, part]).rstrip()
    rank = this_rank()
    if rank.store is not None:
        yield Checkpoints(rank.store, label)
        return
    trainer = getattr(params, "trainer", None)
    if part and trainer is not None and trainer.nodes > 1:
        raise TaskError(f"{label}: nodes is {trainer.nodes}, but one of several trainings has one; set it to 1.")
    if is_follower(trainer):
        become(dataclasses.replace(rank, writes=False))
    folder = paths.output_root / CHECKPOINTS_FOLDER / paths.task / training_name(paths, key, params) / part
    yield Checkpoints(folder, label, again if part else _stage_again(paths, params))
    if this_rank().writes:
        shutil.rmtree(folder, ignore_errors=True)


def _stage_again(paths: TaskPaths, params: StageParams) -> Again:
    arguments = {"task": paths.task, "params": params.model_dump_json()}
    return Again(paths.root, "tasks.common.learning.rank_processes:run_stage", arguments)


def training_name(paths: TaskPaths, key: str | None, params: StageParams) -> str:
    """A name that two trainings share only if they come to the same result."""
    digest = hashlib.sha256(params.model_dump_json().encode())
    if key is None:
        code = Path(__file__).parents[2]
        for folder, pattern in ((paths.prepared, "*"), (code / "common", "*.py"), (code / paths.task, "*.py")):
            for file in sorted(path for path in folder.rglob(pattern) if path.is_file()):
                digest.update(f"\0{file.relative_to(folder)}\0{file_digest(file)}".encode())
    return f"{key or 'no-key'}-{digest.hexdigest()[:16]}"


def _read(path: Path) -> Snapshot:
    from safetensors import safe_open

    with safe_open(path, "numpy") as file:
        names = list(file.keys())
        return Snapshot({name: file.get_tensor(name) for name in names}, json.loads(file.metadata()["record"]))

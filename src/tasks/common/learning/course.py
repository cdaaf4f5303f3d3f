"""Where a training stands, and the checkpoint that says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tasks.common.learning.best import Best
from tasks.common.learning.checkpoints import Snapshot
from tasks.common.learning.engine import Engine, Weights
from tasks.common.learning.seeds import chance_arrays, set_chance

if TYPE_CHECKING:
    import numpy as np


@dataclass
class Course:
    """Before batch number `batch` of epoch number `epoch`, or after the last batch of it and before its validation."""

    epoch: int = 0
    batch: int = 0
    step: int = 0
    """Steps of the optimizer so far."""
    loss_sum: float = 0.0
    """Over the examples of this epoch's batches so far."""
    rows: list[np.ndarray] = field(default_factory=list)
    """What the measure keeps of them."""
    history: list[Mapping[str, float]] = field(default_factory=list)
    """What each complete epoch measured."""
    best: Best[Weights] = field(default_factory=Best)
    """Of the complete epochs."""


def take_snapshot(course: Course, engine: Engine) -> Snapshot:
    """All that the rest of the training depends on."""
    import numpy as np

    state, engine_record = engine.state()
    arrays = _under("state", state) | _under("chance", chance_arrays()) | _under("best", course.best.weights or {})
    if course.rows:
        arrays["rows"] = np.concatenate(course.rows)
    record = {
        "epoch": course.epoch,
        "batch": course.batch,
        "step": course.step,
        "loss_sum": course.loss_sum,
        "history": [dict(metrics) for metrics in course.history],
        "best_epoch": course.best.epoch,
        "engine": engine_record,
    }
    return Snapshot(arrays, record)


def return_to(snapshot: Snapshot, engine: Engine) -> Course:
    """Put engine and generators where they stood. Raises KeyError, ValueError or RuntimeError for another model's."""
    record: Mapping[str, Any] = snapshot.record
    arrays = snapshot.arrays
    history = list(record["history"])
    best: Best[Weights] = Best()
    if record["best_epoch"] >= 0:
        best = Best(record["best_epoch"], history[record["best_epoch"]], _of("best", arrays))
    engine.set_state(_of("state", arrays), record["engine"])
    set_chance(_of("chance", arrays))
    return Course(
        epoch=record["epoch"],
        batch=record["batch"],
        step=record["step"],
        loss_sum=record["loss_sum"],
        rows=[arrays["rows"]] if "rows" in arrays else [],
        history=history,
        best=best,
    )


def _under(folder: str, arrays: Weights) -> dict[str, np.ndarray]:
    return {f"{folder}/{name}": array for name, array in arrays.items()}


def _of(folder: str, arrays: Weights) -> dict[str, np.ndarray]:
    prefix = f"{folder}/"
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}

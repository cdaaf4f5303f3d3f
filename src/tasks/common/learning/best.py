"""Which epoch's weights are kept: the first with the lowest validation loss, or the last where none is measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from tasks.common.stage.errors import TaskError

Weights = TypeVar("Weights")


def check_finite(name: str, value: float, epoch: int) -> None:
    """Raise TaskError where what an epoch measured is infinite or no number."""
    if not math.isfinite(value):
        raise TaskError(f"{name} is {value} in epoch {epoch}: the training diverged; lower the learning rate.")


@dataclass
class Best(Generic[Weights]):
    """The best epoch so far. `weights` are None until the first epoch was offered."""

    epoch: int = -1
    metrics: Mapping[str, float] | None = None
    weights: Weights | None = None

    def offer(self, epoch: int, metrics: Mapping[str, float], copy_weights: Callable[[], Weights]) -> None:
        """Keep a copy of the weights if this epoch's `val/loss` is the lowest, or if it has none.

        Raises TaskError for infinity or NaN.
        """
        for name, value in metrics.items():
            check_finite(name, value, epoch)
        loss = metrics.get("val/loss")
        if self.metrics is None or loss is None or loss < self.metrics["val/loss"]:
            self.epoch, self.metrics, self.weights = epoch, dict(metrics), copy_weights()

    def validation(self) -> dict[str, float]:
        """The validation metrics of the best epoch, without their prefix; none where nothing was held out."""
        prefix = "val/"
        return {name.removeprefix(prefix): v for name, v in (self.metrics or {}).items() if name.startswith(prefix)}

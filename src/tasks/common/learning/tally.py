"""What the batches of an epoch come to: the mean loss, and what is measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tasks.common.learning.best import check_finite
from tasks.common.learning.engine import Engine, HostBatch, Judged
from tasks.common.learning.measures import Measure

if TYPE_CHECKING:
    import numpy as np

# Losses and outputs stay on the device for so many batches: to read each at once would make a graphics card wait.
BATCHES_ON_DEVICE = 16


class Tally:
    """The sums of one split's batches in one epoch, which may go on from those of a checkpoint.

    prefix: `train` or `val`, as in the names of what is measured.
    """

    def __init__(
        self,
        engine: Engine,
        measure: Measure,
        prefix: str,
        epoch: int,
        loss_sum: float = 0.0,
        rows: Sequence[np.ndarray] = (),
    ):
        self._engine = engine
        self._measure = measure
        self._prefix = prefix
        self._epoch = epoch
        self._loss_sum = loss_sum
        self._rows = list(rows)
        self._on_device: list[tuple[HostBatch, Judged]] = []

    def add(self, batch: HostBatch, judged: Judged) -> None:
        """Count a batch. Raises TaskError where a loss is not finite."""
        self._on_device.append((batch, judged))
        if len(self._on_device) >= BATCHES_ON_DEVICE:
            self._fetch()

    def sums(self) -> tuple[float, list[np.ndarray]]:
        """The sum of the examples' losses, and for each batch the rows (B, M) that the measure keeps."""
        self._fetch()
        return self._loss_sum, self._rows

    def metrics(self) -> dict[str, float]:
        """`<prefix>/loss`, the mean over the examples, and `<prefix>/<measure>`."""
        import numpy as np

        loss_sum, row_groups = self.sums()
        rows = np.concatenate(row_groups)
        named = {"loss": loss_sum / len(rows)} | self._measure.measure(rows)
        return {f"{self._prefix}/{name}": float(value) for name, value in named.items()}

    def _fetch(self) -> None:
        results = self._engine.fetch([judged for _, judged in self._on_device])
        for (batch, _), (loss, outputs) in zip(self._on_device, results, strict=True):
            check_finite(f"{self._prefix}/loss", loss, self._epoch)
            self._loss_sum += loss * len(batch)
            self._rows.append(self._measure.summarise(outputs, batch.measured))
        self._on_device.clear()

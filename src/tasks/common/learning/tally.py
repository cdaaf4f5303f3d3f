"""What the batches of an epoch come to: the mean loss, and what is measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tasks.common.learning.best import check_finite
from tasks.common.learning.engine import Engine, HostBatch, Judged
from tasks.common.learning.measures import Measure
from tasks.common.learning.ranks import gather, this_rank

if TYPE_CHECKING:
    import numpy as np

# Losses and outputs stay on the device for so many batches: to read each at once would make a graphics card wait.
BATCHES_ON_DEVICE = 16


class Tally:
    """The sums of one split's batches in one epoch, of all ranks, which may go on from those of a checkpoint.

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
        self._on_device: list[tuple[HostBatch, int, Judged]] = []

    def add(self, batch: HostBatch, n_examples: int, judged: Judged) -> None:
        """Count a batch that has n_examples over all ranks. Raises TaskError where a loss is not finite."""
        self._on_device.append((batch, n_examples, judged))
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
        if not self._on_device:
            return
        results = self._engine.fetch([judged for _, _, judged in self._on_device])
        losses, rows = self._of_all_ranks(
            [loss for loss, _ in results],
            [
                self._measure.summarise(outputs, batch.measured)
                for (batch, _, _), (_, outputs) in zip(self._on_device, results, strict=True)
            ],
        )
        for loss in losses:
            check_finite(f"{self._prefix}/loss", loss, self._epoch)
        for (_, n_examples, _), loss in zip(self._on_device, losses, strict=True):
            self._loss_sum += loss * n_examples
        self._rows += rows
        self._on_device.clear()

    def _of_all_ranks(self, losses: list[float], rows: list[np.ndarray]) -> tuple[list[float], list[np.ndarray]]:
        """Each batch's mean loss over all ranks, and their rows in the order of the batch."""
        import numpy as np

        rank = this_rank()
        if rank.count == 1:
            return losses, rows
        sizes = [n_examples for _, n_examples, _ in self._on_device]
        parts = np.array([[loss * rank.weight(n) / n for loss, n in zip(losses, sizes, strict=True)]])
        own = [
            np.insert(of_batch[rank.counted(n)], 0, number, axis=1)
            for number, (of_batch, n) in enumerate(zip(rows, sizes, strict=True))
        ]
        everyones = gather(self._engine.total, rank, np.concatenate(own))
        in_order = everyones[np.argsort(everyones[:, 0], kind="stable"), 1:]
        return self._engine.total(parts)[0].tolist(), np.split(in_order, np.cumsum(sizes)[:-1])

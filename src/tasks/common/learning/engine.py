"""What a framework has to do for a training: steps, weights, state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np

Weights = Mapping[str, "np.ndarray"]
# A batch's mean loss and its outputs (B, ...), on the device.
Judged = tuple[Any, Any]


@dataclass(frozen=True)
class HostBatch:
    """What this rank computes of a batch, B examples, in the computer's memory."""

    inputs: Any
    """(B, ...) as the framework's tensor."""
    targets: Any
    """(B, ...) as the framework's tensor."""
    measured: np.ndarray
    """The targets (B, ...) as the measure takes them."""

    def __len__(self) -> int:
        """Examples of the batch."""
        return len(self.measured)


class Engine(Protocol):
    """A model with its loss and optimizer, the same on every rank."""

    def host_batch(self, inputs: np.ndarray, targets: np.ndarray) -> HostBatch:
        """The batch as tensors; called in any thread."""

    def learn(self, batches: Sequence[HostBatch], sizes: Sequence[int], learning_rate: float | None) -> list[Judged]:
        """One step of the optimizer, by the mean loss over all the examples of all ranks.

        sizes: how many each batch has over all ranks. learning_rate: None leaves the optimizer's own.
        """

    def judge(self, batch: HostBatch) -> Judged:
        """Loss and outputs without a step."""

    def fetch(self, judged: Sequence[Judged]) -> list[tuple[float, np.ndarray]]:
        """Losses and outputs (B, ...) float32, from the device."""

    def total(self, array: np.ndarray) -> np.ndarray:
        """The sum over all ranks of an array (N, M) float64 that has the same shape on each."""

    def weights(self) -> Weights:
        """A copy of what makes the model."""

    def set_weights(self, weights: Weights) -> None:
        """Put such a copy back."""

    def state(self) -> tuple[Weights, dict[str, Any]]:
        """All that the next step depends on, every rank's generators too: arrays, and JSON."""

    def set_state(self, arrays: Weights, record: Mapping[str, Any]) -> None:
        """Put such a state back. Raises KeyError, ValueError or RuntimeError for that of another model."""

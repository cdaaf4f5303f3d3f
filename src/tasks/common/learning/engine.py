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
    """A batch of B examples in the computer's memory."""

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
    """A model with its loss and optimizer."""

    def host_batch(self, inputs: np.ndarray, targets: np.ndarray) -> HostBatch:
        """The batch as tensors; called in any thread."""

    def learn(self, batches: Sequence[HostBatch], learning_rate: float | None) -> list[Judged]:
        """One step of the optimizer, by the mean loss over all the examples; None leaves the optimizer's own rate."""

    def judge(self, batch: HostBatch) -> Judged:
        """Loss and outputs without a step."""

    def fetch(self, judged: Sequence[Judged]) -> list[tuple[float, np.ndarray]]:
        """Losses and outputs (B, ...) float32, from the device."""

    def weights(self) -> Weights:
        """A copy of what makes the model."""

    def set_weights(self, weights: Weights) -> None:
        """Put such a copy back."""

    def state(self) -> tuple[Weights, dict[str, Any]]:
        """All that the next step depends on, generators too: arrays, and JSON."""

    def set_state(self, arrays: Weights, record: Mapping[str, Any]) -> None:
        """Put such a state back. Raises KeyError, ValueError or RuntimeError for that of another model."""

"""What is measured of a split each epoch, beside the loss.

Shapes: N examples, B examples of a batch, K labels, M numbers kept of an example.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Measure:
    """A measure in two steps, so that an epoch keeps a few numbers of each example and not the outputs."""

    summarise: Callable[[np.ndarray, np.ndarray], np.ndarray]
    """Outputs (B, ...) float32 and targets (B, ...) to (B, M) float64."""
    measure: Callable[[np.ndarray], dict[str, float]]
    """The rows (N, M) of a split to named numbers, such as `{"accuracy": 0.9}`."""


def accuracy_measure() -> Measure:
    """`accuracy`: the share of the logits (B, K) that are highest at the target (B,)."""
    import numpy as np

    def summarise(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        return (outputs.argmax(axis=1) == targets).astype(np.float64)[:, None]

    return Measure(summarise, lambda rows: {"accuracy": float(rows.mean())})

"""The ordinal head: K - 1 outputs, each saying whether the grade is above k, and what follows from them.

Shapes: N or B examples, K grades from 0 to K - 1. Cao, Mirjalili and Raschka 2020, https://arxiv.org/abs/1901.07884,
without their shared weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

THRESHOLD = 0.5


def importance_weights(grades: np.ndarray, n_grades: int) -> np.ndarray:
    """How much each "is the grade above k" weighs in the loss: (N,) training grades to (K - 1,), at most 1.

    The root of the larger side of the question's two, relative to the largest.
    """
    import numpy as np

    above = np.array([(grades > k).sum() for k in range(n_grades - 1)])
    larger = np.sqrt(np.maximum(above, len(grades) - above))
    return larger / larger.max()


def ordinal_loss(weights: np.ndarray) -> Callable[[Tensor, Tensor], Tensor]:
    """The weighted mean of the K - 1 log-losses, of logits (B, K - 1) and grades (B,), in nats."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    shares = torch.from_numpy(weights / weights.sum()).float()

    def loss(logits: Tensor, grades: Tensor) -> Tensor:
        levels = torch.arange(logits.shape[1], device=logits.device)
        above = (grades[:, None] > levels).to(logits.dtype)  # (B, K - 1)
        losses = binary_cross_entropy_with_logits(logits, above, reduction="none")
        return (losses * shares.to(logits.device, logits.dtype)).sum(dim=1).mean()

    return loss


def decide(logits: np.ndarray) -> np.ndarray:
    """(N, K - 1) logits to grades (N,): how many of the questions have a probability above 0.5."""
    return (logits > 0).sum(axis=1)


def probabilities(logits: np.ndarray) -> np.ndarray:
    """(N, K - 1) logits to the probability of each grade, (N, K) float64, rows of sum 1.

    The K - 1 probabilities of being above k should fall with k, but nothing forces the network: they are put in falling
    order, which leaves as many above 0.5 as there were, so that `decide` holds for these too.
    """
    import numpy as np
    from scipy.special import expit

    above = -np.sort(-expit(logits.astype(np.float64)), axis=1)
    edges = np.pad(above, ((0, 0), (1, 1)), constant_values=((0, 0), (1, 0)))
    return edges[:, :-1] - edges[:, 1:]

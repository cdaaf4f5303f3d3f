"""Simulated pull requests: predictions of two models on one test set, whose true difference is known.

Shapes: N examples, K classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pawl.compare.statistics.pairing import Pair
from pawl.compare.statistics.predictions import Predictions

ALIKE_IN_GROUP = 0.3
"""Intra-class correlation: of what makes an example hard, and of what one model makes of it."""
SHARED = 0.5
"""Share of what makes an example hard that is the same for both models."""
SIGNAL = {2: 1.5, 3: 1.8, 10: 2.6}
"""By how much the logit of the true class is raised, by K; the noise has variance 1."""

Shape = Literal["balanced", "long tail", "numbers"]


@dataclass(frozen=True)
class Cell:
    """One kind of test set, and how much better head is."""

    examples: int
    classes: int
    """0 of numbers: a regression, and values per example that are skewed as overlaps are."""
    shape: Shape
    groups: int
    """0: examples are independent."""
    effect: float
    """Added to head's signal; of numbers the share by which its errors are smaller. 0: two models of equal quality."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """What is compared; the recall is that of the rarest class."""
        if self.shape == "numbers":
            return "mae", "rmse", "r2", "overlap"
        of_labels = ("accuracy", "balanced_accuracy", "macro_f1", "weighted_f1", f"recall:{self.classes - 1}")
        of_scores = ("auroc", "log_loss", "brier", "calibration_error")
        if self.classes == 2:
            return *of_labels, *of_scores, "average_precision"
        return *of_labels, "qwk", *of_scores, "mean_average_precision"

    @property
    def rarest(self) -> float:
        """How many examples the rarest class has on average."""
        return self.examples * (1.0 if self.shape == "numbers" else float(class_shares(self).min()))


def class_shares(cell: Cell) -> np.ndarray:
    """(K,) how frequent each class is: alike, nine to one, or each class a quarter rarer than the one before."""
    if cell.shape == "balanced":
        return np.full(cell.classes, 1 / cell.classes)
    weights = np.array([9.0, 1.0]) if cell.classes == 2 else 0.75 ** np.arange(cell.classes)
    return weights / weights.sum()


def simulate(cell: Cell, random: np.random.Generator) -> Pair:
    """One pull request: a new test set, and what both models say of it."""
    groups = None
    if cell.groups:
        # Sizes differ: a gamma distribution of shape 2.
        weights = random.gamma(2.0, size=cell.groups)
        groups = np.unique(random.choice(cell.groups, cell.examples, p=weights / weights.sum()), return_inverse=True)[1]
    of_numbers = cell.shape == "numbers"
    return (_numbers if of_numbers else _classes)(cell, random, groups, np.arange(cell.examples).astype(object))


def _classes(cell: Cell, random: np.random.Generator, groups: np.ndarray | None, ids: np.ndarray) -> Pair:
    shares = class_shares(cell)
    labels = tuple(str(label) for label in range(cell.classes))
    targets = random.choice(cell.classes, cell.examples, p=shares)
    hard = _noise(random, groups, cell.examples, cell.classes)
    sides = []
    for effect in (0.0, cell.effect):
        own = _noise(random, groups, cell.examples, cell.classes)
        logits = math.sqrt(SHARED) * hard + math.sqrt(1 - SHARED) * own
        logits[np.arange(cell.examples), targets] += SIGNAL[cell.classes] + effect
        logits = 1.5 * (logits + 0.5 * np.log(shares))
        scores = np.exp(logits - logits.max(axis=1, keepdims=True))
        scores /= scores.sum(axis=1, keepdims=True)
        sides.append(Predictions(ids, "classification", labels, targets, scores.argmax(axis=1), scores, {}, groups))
    return Pair(*sides)


def _numbers(cell: Cell, random: np.random.Generator, groups: np.ndarray | None, ids: np.ndarray) -> Pair:
    targets = random.normal(50, 10, cell.examples)
    hard = _noise(random, groups, cell.examples, 1)[:, 0]
    sides = []
    for effect in (0.0, cell.effect):
        own, also = _noise(random, groups, cell.examples, 2).T
        predictions = targets + own * np.exp(0.5 * hard + 0.3) * (1 - effect)
        overlaps = np.exp(-np.exp(0.7 * hard + 0.5 * also - 2) * (1 - effect))
        sides.append(Predictions(ids, "regression", (), targets, predictions, None, {"overlap": overlaps}, groups))
    return Pair(*sides)


def _noise(random: np.random.Generator, groups: np.ndarray | None, examples: int, width: int) -> np.ndarray:
    """(examples, width) standard normal numbers, alike within a group."""
    own = random.standard_normal((examples, width))
    if groups is None:
        return own
    of_groups = random.standard_normal((int(groups.max()) + 1, width))
    return math.sqrt(ALIKE_IN_GROUP) * of_groups[groups] + math.sqrt(1 - ALIKE_IN_GROUP) * own

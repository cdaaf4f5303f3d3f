"""How well predicted grades agree with those of a person: numbers of training's history and of evaluate alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def quadratic_weighted_kappa(grades: np.ndarray, predicted: np.ndarray, n_grades: int) -> float:
    """Cohen's kappa with quadratic weights: (N,), (N,) whole numbers below `n_grades` to at most 1, where 0 is chance.

    1 where every prediction and every grade is the same one number, which leaves nothing to disagree on.
    Cohen 1968, https://doi.org/10.1037/h0026256.
    """
    import numpy as np

    observed = np.zeros((n_grades, n_grades))
    np.add.at(observed, (grades, predicted), 1)
    expected = np.outer(observed.sum(axis=1), observed.sum(axis=0)) / len(grades)
    levels = np.arange(n_grades)
    weights = (levels[:, None] - levels[None, :]) ** 2
    by_chance = float((weights * expected).sum())
    return 1 - float((weights * observed).sum()) / by_chance if by_chance else 1.0


def mean_absolute_error(grades: np.ndarray, predicted: np.ndarray) -> float:
    """Mean distance in grades: (N,), (N,) whole numbers to 0 or more."""
    import numpy as np

    return float(np.abs(grades.astype(int) - predicted.astype(int)).mean())


def agreement(grades: np.ndarray, predicted: np.ndarray, n_grades: int) -> dict[str, float]:
    """`qwk`, `mae` and `accuracy` of predicted grades (N,) against those of a person (N,)."""
    return {
        "qwk": quadratic_weighted_kappa(grades, predicted, n_grades),
        "mae": mean_absolute_error(grades, predicted),
        "accuracy": float((grades == predicted).mean()),
    }

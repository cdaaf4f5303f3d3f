"""Prediction files that tests write."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

LABELS = ("bird", "cat", "dog")


def write_predictions(
    path: Path, *, right: float, examples: int = 400, model: int = 1, first: int = 0, targets: int = 0
) -> Path:
    """Predictions of three classes. right: the share of answers that are right, over the same questions.

    model: whose luck; first: number of the first question; targets: whose answers are taken to be true.
    """
    questions = np.arange(first, first + examples)
    hard = np.array([np.random.default_rng([7, q]).random() for q in questions])
    truth = np.array([np.random.default_rng([targets, q]).integers(3) for q in questions])
    luck = np.random.default_rng([model, 99]).normal(0, 0.05, examples)
    wrong = (truth + 1) % 3
    chosen = np.where(hard + luck < right, truth, wrong)
    scores = np.full((examples, 3), 0.1)
    scores[np.arange(examples), chosen] = 0.8
    table = {"id": [f"q{q}" for q in questions], "target": [LABELS[t] for t in truth]}
    table["prediction"] = [LABELS[c] for c in chosen]
    table |= {f"score:{label}": scores[:, at] for at, label in enumerate(LABELS)}
    pd.DataFrame(table).to_parquet(path, index=False)
    return path


def write_values(path: Path, *, mean: float, name: str = "dice", examples: int = 200) -> Path:
    """One number for each example, without targets."""
    values = np.clip(np.random.default_rng(3).normal(mean, 0.05, examples), 0, 1)
    pd.DataFrame({"id": [f"s{i}" for i in range(examples)], f"value:{name}": values}).to_parquet(path, index=False)
    return path

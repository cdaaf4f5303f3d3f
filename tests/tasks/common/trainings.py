"""One small training that both frameworks can do: 50 points in 6 dimensions, 3 classes, dropout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tasks.common.learning.batches import Batches
from tasks.common.learning.best import Best
from tasks.common.learning.checkpoints import PhaseCheckpoints
from tasks.common.learning.measures import accuracy_measure
from tasks.common.learning.trainer import TrainerParams, keras_policy, start_keras, start_torch

FRAMEWORKS = ("torch", "tensorflow")
N_TRAIN, N_VALIDATION, N_FEATURES, N_CLASSES = 50, 21, 6, 3
EVERY_STEP = 1e-9
PLAIN = {
    "device": "cpu",
    "threads": 1,
    "precision": "float32",
    "compile": False,
    "accumulate_batches": 1,
    "deterministic": True,
    "checkpoint_seconds": 1e9,
    "fast_dev_run": False,
    "devices": 1,
    "nodes": 1,
}


class StoppedError(Exception):
    """Stands for whatever ends a process."""


@dataclass
class Training:
    """What to train, and after `run` what came of it."""

    framework: str
    folder: Path
    epochs: int = 3
    batch_size: int = 8
    num_workers: int = 0
    dropout: float = 0.5
    noise: float = 0.05
    seed: int = 1
    optimizer: str = "Adam"
    validates: bool = True
    rate_at: Callable[[int], float] = lambda step: 0.02 / (1 + step)
    stop_before_step: int | None = None
    trainer: Mapping[str, Any] = field(default_factory=dict)
    history: list[Mapping[str, float]] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)

    def run(self) -> Training:
        self.history, self.steps = [], []
        fit = self._fit_torch if self.framework == "torch" else self._fit_keras
        self.best: Best = fit(TrainerParams(**(PLAIN | dict(self.trainer))))
        return self

    def weights(self) -> list[np.ndarray]:
        if self.framework == "torch":
            return [tensor.numpy() for tensor in self.model.state_dict().values()]
        return self.model.get_weights()

    def arguments(self, trainer: TrainerParams) -> dict[str, Any]:
        def rate_at(step: int) -> float:
            if step == self.stop_before_step:
                raise StoppedError
            self.steps.append(step)
            return self.rate_at(step)

        return {
            "train": Batches(*points("train"), self.batch_size, self.seed, self._shift, self.num_workers),
            "validation": self._validation() if self.validates else None,
            "measure": accuracy_measure(),
            "epochs": self.epochs,
            "trainer": trainer,
            "log_epoch": self.history.append,
            "checkpoints": PhaseCheckpoints(self.folder, "train points"),
            "learning_rate_at": rate_at,
        }

    def _validation(self) -> Batches:
        return Batches(*points("validation"), self.batch_size, None, None, self.num_workers)

    def _fit_torch(self, trainer: TrainerParams) -> Best:
        import torch
        from torch import nn

        from tasks.common.learning.torch_loop import fit_torch

        start_torch(trainer, self.seed)
        hidden = nn.Linear(N_FEATURES, 16)
        self.model = nn.Sequential(hidden, nn.ReLU(), nn.Dropout(self.dropout), nn.Linear(16, N_CLASSES))
        optimizer = getattr(torch.optim, self.optimizer)(self.model.parameters(), lr=0.5)
        return fit_torch(self.model, optimizer, loss=nn.functional.cross_entropy, **self.arguments(trainer))

    def _fit_keras(self, trainer: TrainerParams) -> Best:
        import keras

        from tasks.common.learning.keras_loop import fit_keras

        start_keras(trainer, self.seed)
        with keras_policy(trainer):
            layers = [keras.layers.Dense(16, "relu"), keras.layers.Dropout(self.dropout), keras.layers.Dense(N_CLASSES)]
            self.model = keras.Sequential([keras.Input((N_FEATURES,)), *layers])
        optimizer = getattr(keras.optimizers, self.optimizer)(0.5)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        return fit_keras(self.model, optimizer, loss=loss, **self.arguments(trainer))

    def _shift(
        self, inputs: np.ndarray, targets: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        return inputs + rng.normal(scale=self.noise, size=inputs.shape).astype(np.float32), targets


def points(split: str) -> tuple[np.ndarray, np.ndarray]:
    """(N, 6) float32 and the number of the largest of the first three (N,)."""
    rng = np.random.default_rng(0 if split == "train" else 1)
    inputs = rng.normal(size=(N_TRAIN if split == "train" else N_VALIDATION, N_FEATURES)).astype(np.float32)
    return inputs, inputs[:, :N_CLASSES].argmax(axis=1)

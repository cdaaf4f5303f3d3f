"""One small training for both frameworks, put into a checkout as `tasks.points`: 50 points of 3 classes, by SGD.

`python -m tasks.points ARGUMENTS`, JSON, trains as `run` says, in the working folder.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from tasks.common.learning.batches import Batches
from tasks.common.learning.checkpoints import checkpoints
from tasks.common.learning.measures import Measure
from tasks.common.learning.ranks import Again, this_rank
from tasks.common.learning.trainer import TrainerParams, keras_policy, start_keras, start_torch
from tasks.common.stage.errors import EXIT_INPUT, TaskError
from tasks.common.stage.params import StageParams
from tasks.common.stage.paths import TaskPaths

N_TRAIN, N_VALIDATION, N_FEATURES, N_CLASSES = 50, 21, 6, 3
TRAINER = {
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


class Params(StageParams):
    trainer: TrainerParams
    epochs: int


def run(root: Path, arguments: dict[str, Any], out: Path) -> None:
    """framework; trainer: what differs from TRAINER; also epochs, batch_size, normalise, dropout, rate, alike.

    And act: [what, rank, step]. Writes weights.npz and history.json. alike: every example is the same.
    """
    params = Params(trainer=TrainerParams(**(TRAINER | arguments["trainer"])), epochs=arguments.get("epochs", 3))
    history: list[dict[str, float]] = []
    paths = TaskPaths(root, "points", outputs=root / "made")
    fit = _fit_torch if arguments["framework"] == "torch" else _fit_keras
    again = Again(root, "tasks.points:run", arguments)
    with checkpoints(paths, "a" * 64, params, "points", again) as store:
        weights, logits = fit(
            arguments,
            train=Batches(*_train(arguments), arguments.get("batch_size", 8), 1, _shift),
            validation=Batches(*points("validation"), 8),
            measure=Measure(_rows, _measured),
            epochs=params.epochs,
            trainer=params.trainer,
            log_epoch=lambda metrics: history.append(dict(metrics)),
            checkpoints=store.phase("points"),
            learning_rate_at=_rate(arguments),
        )
        np.savez(out / "weights.npz", *weights, logits=logits)
        (out / "history.json").write_text(json.dumps(history))


def points(split: str) -> tuple[np.ndarray, np.ndarray]:
    """(N, 6) float32 and the number of the largest of the first three (N,)."""
    rng = np.random.default_rng(0 if split == "train" else 1)
    inputs = rng.normal(size=(N_TRAIN if split == "train" else N_VALIDATION, N_FEATURES)).astype(np.float32)
    return inputs, inputs[:, :N_CLASSES].argmax(axis=1)


def _rows(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return np.stack([outputs.argmax(axis=1) == targets, targets, outputs[:, 0]], axis=1).astype(np.float64)


def _measured(rows: np.ndarray) -> dict[str, float]:
    # The second also depends on the order of the rows.
    named = {"accuracy": float(rows[:, 0].mean()), "order": float(rows[:, 1] @ np.arange(len(rows)))}
    if len(rows) == N_TRAIN:
        named["unlike"] = float(np.abs(rows[0::2, 2] - rows[1::2, 2]).mean())
    return named


def _train(arguments: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    inputs, targets = points("train")
    # So large that _shift leaves them alone.
    return (inputs * 0 + 1e6, targets * 0) if arguments.get("alike") else (inputs, targets)


def _shift(inputs: np.ndarray, targets: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    noise = rng.normal(scale=0.05, size=inputs.shape).astype(np.float32)
    return inputs + noise * (np.abs(inputs) < 1e6), targets


def _rate(arguments: dict[str, Any]) -> Any:
    what, number, at_step = arguments.get("act", ["nothing", -1, -1])

    def rate_at(step: int) -> float:
        rank = this_rank()
        if rank.store is not None:
            (Path.cwd() / f"pid-{rank.number}").write_text(str(os.getpid()))
            with (Path.cwd() / f"steps-{rank.number}").open("a") as file:
                file.write(f"{step}\n")
        if (number, at_step) == (rank.number, step) and not (Path.cwd() / "acted").exists():
            _act(what)
        return arguments.get("rate", 0.3)

    return rate_at


def _act(what: str) -> None:
    (Path.cwd() / "acted").touch()
    if what == "fail":
        raise TaskError("the third photograph is gone; fetch it again.")
    if what == "crash":
        raise ValueError("boom")
    if what == "kill":
        os.kill(os.getpid(), 9)
    if what == "wait":
        time.sleep(600)


def _fit_torch(arguments: dict[str, Any], **fit: Any) -> tuple[list[np.ndarray], np.ndarray]:
    import torch
    from torch import nn

    from tasks.common.learning.torch_loop import fit_torch

    start_torch(fit["trainer"], 1)
    norm = [nn.BatchNorm1d(16)] if arguments.get("normalise") else []
    dropout = nn.Dropout(arguments.get("dropout", 0.0))
    model = nn.Sequential(nn.Linear(N_FEATURES, 16), *norm, nn.ReLU(), dropout, nn.Linear(16, N_CLASSES))
    fit_torch(model, torch.optim.SGD(model.parameters(), lr=0.5), loss=nn.functional.cross_entropy, **fit)
    with torch.no_grad():
        logits = model(torch.from_numpy(points("validation")[0])).numpy()
    return [tensor.numpy() for tensor in model.state_dict().values()], logits


def _fit_keras(arguments: dict[str, Any], **fit: Any) -> tuple[list[np.ndarray], np.ndarray]:
    import keras

    from tasks.common.learning.keras_loop import fit_keras

    start_keras(fit["trainer"], 1)
    with keras_policy(fit["trainer"]):
        norm = [keras.layers.BatchNormalization()] if arguments.get("normalise") else []
        layers = [*norm, keras.layers.ReLU(), keras.layers.Dropout(arguments.get("dropout", 0.0))]
        first = keras.layers.Dense(16, kernel_regularizer=keras.regularizers.L2(0.01))
        model = keras.Sequential([keras.Input((N_FEATURES,)), first, *layers, keras.layers.Dense(N_CLASSES)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    fit_keras(model, keras.optimizers.SGD(0.5), loss=loss, **fit)
    return model.get_weights(), model(points("validation")[0]).numpy()


if __name__ == "__main__":
    try:
        run(Path.cwd(), json.loads(sys.argv[1]), Path.cwd())
    except TaskError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(EXIT_INPUT)

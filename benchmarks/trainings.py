"""What each task gives its training loop, taken from the task's own code: model, optimizer, batches, loss."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

from tasks.common.learning.batches import Batches
from tasks.common.learning.checkpoints import PhaseCheckpoints
from tasks.common.stage.params import read_params
from tasks.common.stage.paths import TaskPaths
from tasks.common.stage.run import run_stage

Framework = Literal["torch", "tensorflow"]
FRAMEWORKS: dict[str, Framework] = {
    "digits": "torch",
    "retinopathy": "torch",
    "pets": "torch",
    "posters": "tensorflow",
    "prostate": "tensorflow",
}
"""The tasks that train in the common loops. The sixth, tabular, has one of scikit-learn's."""
_PHASES = {"posters": 2}
"""The last phase counts: of posters the one that trains all of the network."""


@dataclass(frozen=True)
class Training:
    """What fit_torch or fit_keras was called with."""

    framework: Framework
    model: Any
    optimizer: Any
    train: Batches
    keywords: dict[str, Any]

    def fit(self, train: Batches, epochs: int, scratch: Path, log_epoch: Callable[[Any], None]) -> None:
        """Train on with these batches in the common loop, nothing held out; checkpoints are written to `scratch`."""
        from tasks.common.learning.keras_loop import fit_keras
        from tasks.common.learning.torch_loop import fit_torch

        loop = fit_torch if self.framework == "torch" else fit_keras
        scratch.mkdir(parents=True)
        given = {"epochs": epochs, "log_epoch": log_epoch, "checkpoints": PhaseCheckpoints(scratch, "benchmark")}
        if self.keywords.get("learning_rate_at"):
            # The schedule ends with the task's own number of steps.
            rate = self.keywords["learning_rate_at"](0)
            given["learning_rate_at"] = lambda _: rate
        loop(self.model, self.optimizer, train, None, **(self.keywords | given))


class _StoppedError(Exception):
    """The training loop was reached."""


def prepare(root: Path, task: str) -> None:
    """Run fetch and prepare of a task in a folder with a params.yaml, if that has not been done."""
    for stage in ("fetch", "prepare") if not TaskPaths(root, task).prepared.exists() else ():
        run_stage(stage, task, root)


def training_of(root: Path, task: str) -> Training:
    """What the task's stage `train` would train with params.yaml in `root`, after `prepare`."""
    found: list[Training] = []
    framework = FRAMEWORKS[task]

    def taken(model: Any, optimizer: Any, train: Batches, _: Batches | None, **keywords: Any) -> None:
        found.append(Training(framework, model, optimizer, train, keywords))
        if len(found) == _PHASES.get(task, 1):
            raise _StoppedError

    module = importlib.import_module(f"tasks.{task}.train.{'network' if task == 'prostate' else 'run'}")
    name = "fit_torch" if framework == "torch" else "fit_keras"
    with patch.object(module, name, taken):
        _stop_at_loop(lambda: _begin(root, task))
    return found[-1]


def table_of(root: Path) -> tuple[Any, tuple[Any, Any]]:
    """The parameters of tabular's network, and inputs (N, F) and targets (N,) as it gets them."""
    module = importlib.import_module("tasks.tabular.train.run")
    found: list[tuple[Any, tuple[Any, Any]]] = []

    def taken(params: Any, train: tuple[Any, Any], *_: Any) -> None:
        found.append((params, train))
        raise _StoppedError

    with patch.object(module, "_fit_mlp", taken):
        _stop_at_loop(lambda: _begin(root, "tabular", ("model=mlp",)))
    return found[-1]


def in_memory(train: Batches) -> tuple[Any, Any]:
    """All inputs (N, ...) and targets (N, ...) of one epoch as the network gets them."""
    import numpy as np

    batches = list(replace(train, num_workers=0).epoch(0, 0, len(train), lambda inputs, targets: (inputs, targets)))
    inputs, targets = (np.concatenate(part) for part in zip(*batches, strict=True))
    return inputs, targets


def _begin(root: Path, task: str, overrides: tuple[str, ...] = ()) -> None:
    run = importlib.import_module(f"tasks.{task}.train.run")
    params = read_params(root, task, "train", run.Params, overrides)
    paths = TaskPaths(root, task, overridden=bool(overrides))
    if task != "prostate":
        run.run(paths, params)
        return
    network = importlib.import_module("tasks.prostate.train.network")
    arguments = {"task": task, "epochs": params.epochs, "params": params.model_dump(), "key": None, "outputs": None}
    network.run(root, {"name": "fold-0", "overridden": False, **arguments}, root)


def _stop_at_loop(work: Callable[[], None]) -> None:
    try:
        work()
    except _StoppedError:
        return
    raise AssertionError("the training did not reach its loop")

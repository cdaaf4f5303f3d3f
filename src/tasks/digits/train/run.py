"""train: the network in either framework, and the card of what came out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from tasks.common.data.manifest import label_order, read_manifest, targets_of
from tasks.common.data.shards import open_shard
from tasks.common.learning.batches import Batches
from tasks.common.learning.best import Best
from tasks.common.learning.card_of import write_model_card
from tasks.common.learning.checkpoints import PhaseCheckpoints, checkpoints
from tasks.common.learning.engine import Weights
from tasks.common.learning.history import LogEpoch, history
from tasks.common.learning.keras_loop import fit_keras
from tasks.common.learning.measures import accuracy_measure
from tasks.common.learning.stage_key import stage_key
from tasks.common.learning.torch_loop import fit_torch
from tasks.common.learning.trainer import DataParams, TrainerParams, keras_policy, start_keras, start_torch
from tasks.common.model.keras_file import import_keras, save_keras
from tasks.common.model.torch_file import save_torch
from tasks.common.stage.files import new_folder
from tasks.common.stage.params import StageParams
from tasks.common.stage.paths import TaskPaths
from tasks.digits.model.network import (
    MODEL_FILES,
    Architecture,
    build_keras,
    build_torch,
    channels_first,
    channels_last,
    normalise,
)

if TYPE_CHECKING:
    import numpy as np


class Params(StageParams):
    """`digits.train`."""

    framework: Literal["torch", "tensorflow"]
    epochs: Annotated[int, Field(ge=1, le=1000)]
    batch_size: Annotated[int, Field(ge=1)]
    learning_rate: Annotated[float, Field(gt=0)]
    channels: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=2, max_length=2)]
    hidden_units: Annotated[int, Field(ge=1)]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    train_share: Annotated[float, Field(gt=0, le=1)]
    data: DataParams
    trainer: TrainerParams

    def architecture(self) -> Architecture:
        """What of it shapes the network."""
        return Architecture(self.channels, self.hidden_units, self.dropout)


def run(paths: TaskPaths, params: Params) -> None:
    """Write the model with its card, and the history of its training."""
    key = stage_key(paths, "train")
    examples = read_manifest(paths.prepared)
    labels = label_order(example.label for example in examples)
    in_train = open_shard(paths.prepared, "images", "train")
    learnt_from = _some_of(len(in_train), params)
    mean, std = float(in_train[learnt_from].mean()), float(in_train[learnt_from].std())

    def batches(split: str, seed: int | None) -> Batches:
        add_channel = channels_first if params.framework == "torch" else channels_last

        def transform(images: np.ndarray, targets: np.ndarray, _: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
            return add_channel(normalise(images, mean, std)), targets

        images, targets = open_shard(paths.prepared, "images", split), targets_of(examples, labels, split)
        if split == "train":
            images, targets = images[learnt_from], targets[learnt_from]
        return Batches(images, targets, params.batch_size, seed, transform, params.data.num_workers)

    train, validation = batches("train", params.seed), batches("validation", None)
    fit = _fit_torch if params.framework == "torch" else _fit_keras
    model_file = MODEL_FILES[params.framework]
    # The checkpoints go last, when the model is in its place.
    with checkpoints(paths, key, params) as store, new_folder(paths.model) as folder:
        with history(paths, params.trainer.epochs(params.epochs)) as log_epoch:
            phase = store.phase("network")
            best = fit(params, train, validation, len(labels), folder / model_file, log_epoch, phase)
        write_model_card(
            paths,
            folder,
            framework=params.framework,
            files=[model_file],
            labels=labels,
            preprocessing={"input": "8 x 8 pixels from 0 to 16", "mean": mean, "std": std},
            params=params,
            best_epoch=best.epoch,
            validation=best.validation(),
            key=key,
        )


def _some_of(n_examples: int, params: Params) -> np.ndarray | slice:
    """Which examples of the training split are learnt from, in their order."""
    import numpy as np

    if params.train_share == 1:
        return slice(None)
    kept = max(1, round(n_examples * params.train_share))
    return np.sort(np.random.default_rng(params.seed).permutation(n_examples)[:kept])


def _fit_torch(
    params: Params,
    train: Batches,
    validation: Batches,
    n_labels: int,
    path: Path,
    log_epoch: LogEpoch,
    phase: PhaseCheckpoints,
) -> Best[Weights]:
    import torch

    device = start_torch(params.trainer, params.seed)
    model = build_torch(params.architecture(), n_labels)
    best = fit_torch(
        model,
        torch.optim.Adam(model.parameters(), lr=params.learning_rate, fused=device == "cuda"),
        train,
        validation,
        loss=torch.nn.functional.cross_entropy,
        measure=accuracy_measure(),
        epochs=params.epochs,
        trainer=params.trainer,
        log_epoch=log_epoch,
        checkpoints=phase,
    )
    save_torch(model, path)
    return best


def _fit_keras(
    params: Params,
    train: Batches,
    validation: Batches,
    n_labels: int,
    path: Path,
    log_epoch: LogEpoch,
    phase: PhaseCheckpoints,
) -> Best[Weights]:
    keras = import_keras()
    start_keras(params.trainer, params.seed)
    with keras_policy(params.trainer):
        model = build_keras(params.architecture(), n_labels)
    best = fit_keras(
        model,
        keras.optimizers.Adam(params.learning_rate),
        train,
        validation,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        measure=accuracy_measure(),
        epochs=params.epochs,
        trainer=params.trainer,
        log_epoch=log_epoch,
        checkpoints=phase,
    )
    save_keras(model, path)
    return best

"""train: the network in either framework, and the card of what came out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from tasks.common.data.manifest import MANIFEST_FILE, Example, label_order, read_manifest
from tasks.common.learning.best import Best
from tasks.common.learning.history import LogEpoch, history
from tasks.common.learning.keras_loop import fit_keras, keras_batches
from tasks.common.learning.seeds import seed_keras, seed_torch
from tasks.common.learning.stage_key import stage_key
from tasks.common.learning.torch_loop import fit_torch, torch_batches
from tasks.common.model.card import Card, write_card
from tasks.common.model.device import Device, use_tensorflow, use_torch
from tasks.common.model.keras_file import import_keras, save_keras
from tasks.common.model.torch_file import save_torch
from tasks.common.stage.files import file_digest, new_folder
from tasks.common.stage.params import StageParams
from tasks.common.stage.paths import TaskPaths
from tasks.digits.model import MODEL_FILES, Architecture, build_keras, build_torch, normalise

if TYPE_CHECKING:
    import numpy as np

    Arrays = tuple[np.ndarray, np.ndarray]


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
    device: Device
    threads: Annotated[int, Field(ge=1, le=1024)]

    def architecture(self) -> Architecture:
        """What of it shapes the network."""
        return Architecture(self.channels, self.hidden_units, self.dropout)


def run(paths: TaskPaths, params: Params) -> None:
    """Write the model with its card, and the history of its training."""
    import numpy as np

    key = stage_key(paths, "train")
    examples = read_manifest(paths.prepared)
    images = np.load(paths.prepared / "images.npy", allow_pickle=False)
    labels = label_order(example.label for example in examples)
    in_train = [example.split == "train" for example in examples]
    mean, std = float(images[in_train].mean()), float(images[in_train].std())
    inputs = normalise(images, mean, std)
    train = _split(inputs, examples, labels, "train")
    validation = _split(inputs, examples, labels, "validation")
    fit = _fit_torch if params.framework == "torch" else _fit_keras
    model_file = MODEL_FILES[params.framework]
    with new_folder(paths.model) as folder:
        with history(paths, params.epochs) as log_epoch:
            best = fit(params, train, validation, len(labels), folder / model_file, log_epoch)
        card = Card(
            task=paths.task,
            framework=params.framework,
            model_file=model_file,
            model_digest=file_digest(folder / model_file),
            labels=list(labels),
            preprocessing={"input": "8 x 8 pixels from 0 to 16", "mean": mean, "std": std},
            params=params.model_dump(),
            best_epoch=best.epoch,
            validation=best.validation(),
            stage_key=key,
            data_digest=file_digest(paths.prepared / MANIFEST_FILE),
        )
        write_card(folder, card)


def _split(inputs: np.ndarray, examples: tuple[Example, ...], labels: tuple[str, ...], split: str) -> Arrays:
    import numpy as np

    chosen = [index for index, example in enumerate(examples) if example.split == split]
    return inputs[chosen], np.array([labels.index(examples[index].label) for index in chosen], np.int64)


def _fit_torch(
    params: Params, train: Arrays, validation: Arrays, n_labels: int, path: Path, log_epoch: LogEpoch
) -> Best[Any]:
    import torch

    device = use_torch(params.device, params.threads)
    seed_torch(params.seed)
    model = build_torch(params.architecture(), n_labels).to(device)
    best = fit_torch(
        model,
        torch.optim.Adam(model.parameters(), lr=params.learning_rate),
        torch_batches(train[0][:, None], train[1], params.batch_size, params.seed),  # (B, 1, 8, 8)
        torch_batches(validation[0][:, None], validation[1], params.batch_size, None),
        epochs=params.epochs,
        device=device,
        log_epoch=log_epoch,
    )
    save_torch(model, path)
    return best


def _fit_keras(
    params: Params, train: Arrays, validation: Arrays, n_labels: int, path: Path, log_epoch: LogEpoch
) -> Best[Any]:
    keras = import_keras()
    use_tensorflow(params.device, params.threads)
    seed_keras(params.seed)
    model = build_keras(params.architecture(), n_labels)
    best = fit_keras(
        model,
        keras.optimizers.Adam(params.learning_rate),
        keras_batches(train[0][..., None], train[1], params.batch_size, params.seed),  # (B, 8, 8, 1)
        keras_batches(validation[0][..., None], validation[1], params.batch_size, None),
        epochs=params.epochs,
        log_epoch=log_epoch,
    )
    save_keras(model, path)
    return best

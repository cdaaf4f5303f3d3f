"""train: the vision transformer from scratch, and the card of what came out."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from tasks.common.data.manifest import label_order, read_manifest, targets_of
from tasks.common.data.shards import open_shard
from tasks.common.learning.batches import Batches
from tasks.common.learning.card_of import write_model_card
from tasks.common.learning.channels import channel_statistics
from tasks.common.learning.checkpoints import checkpoints
from tasks.common.learning.history import history
from tasks.common.learning.measures import accuracy_measure
from tasks.common.learning.stage_key import stage_key
from tasks.common.learning.torch_loop import fit_torch
from tasks.common.learning.trainer import DataParams, TrainerParams, start_torch
from tasks.common.model.pixels import normalise
from tasks.common.model.torch_file import save_torch
from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import new_folder, read_json
from tasks.common.stage.params import PARAMS_FILE, StageParams
from tasks.common.stage.paths import TaskPaths
from tasks.pets.model.scoring import MODEL_FILE, Preprocessing, architecture_of
from tasks.pets.train.augment import AugmentParams, augment

if TYPE_CHECKING:
    import numpy as np


class Params(StageParams):
    """`pets.train`."""

    epochs: Annotated[int, Field(ge=1, le=10_000)]
    batch_size: Annotated[int, Field(ge=1)]
    learning_rate: Annotated[float, Field(gt=0)]
    patch_size: Annotated[int, Field(ge=1)]
    width: Annotated[int, Field(ge=1)]
    depth: Annotated[int, Field(ge=1, le=1000)]
    heads: Annotated[int, Field(ge=1)]
    mlp_ratio: Annotated[int, Field(ge=1)]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    augment: AugmentParams
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    data: DataParams
    trainer: TrainerParams

    @model_validator(mode="after")
    def _whole_heads(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is no multiple of heads {self.heads}")
        return self


def run(paths: TaskPaths, params: Params) -> None:
    """Write the model with its card, and the history of its training."""
    import torch

    from tasks.pets.model.vit import VisionTransformer

    key = stage_key(paths, "train")
    examples = read_manifest(paths.prepared)
    labels = label_order(example.label for example in examples)
    preprocessing = _preprocessing(paths)
    if preprocessing.image_size % params.patch_size:
        raise TaskError(
            f"{PARAMS_FILE}: {paths.task}.train.patch_size is {params.patch_size}, but the images' side of "
            f"{preprocessing.image_size} pixels is no multiple of it; change it, or {paths.task}.prepare.image_size."
        )

    def in_order(images: np.ndarray, targets: np.ndarray, _: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        return normalise(images, preprocessing.mean, preprocessing.std), targets

    def augmented(
        images: np.ndarray, targets: np.ndarray, random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        return normalise(augment(images, params.augment, random), preprocessing.mean, preprocessing.std), targets

    def batches(split: str) -> Batches:
        images, targets = open_shard(paths.prepared, "images", split), targets_of(examples, labels, split)
        seed, transform = (params.seed, augmented) if split == "train" else (None, in_order)
        return Batches(images, targets, params.batch_size, seed, transform, params.data.num_workers)

    device = start_torch(params.trainer, params.seed)
    model = VisionTransformer(architecture_of(params.model_dump(), preprocessing.image_size), len(labels))
    # The checkpoints go last, when the model is in its place.
    with checkpoints(paths, key, params) as store, new_folder(paths.model) as folder:
        with history(paths, params.trainer.epochs(params.epochs)) as log_epoch:
            best = fit_torch(
                model,
                torch.optim.Adam(model.parameters(), lr=params.learning_rate, fused=device == "cuda"),
                batches("train"),
                batches("validation"),
                loss=torch.nn.functional.cross_entropy,
                measure=accuracy_measure(),
                epochs=params.epochs,
                trainer=params.trainer,
                log_epoch=log_epoch,
                checkpoints=store.phase("network"),
            )
        save_torch(model, folder / MODEL_FILE)
        write_model_card(
            paths,
            folder,
            framework="torch",
            files=[MODEL_FILE],
            labels=labels,
            preprocessing=dataclasses.asdict(preprocessing),
            params=params,
            best_epoch=best.epoch,
            validation=best.validation(),
            key=key,
        )


def _preprocessing(paths: TaskPaths) -> Preprocessing:
    """As prepare did it, with the colours of the training split."""
    content = read_json(paths.prepared / "preprocessing.json", "prepare")
    (red, green, blue), deviations = channel_statistics(open_shard(paths.prepared, "images", "train"))
    red_std, green_std, blue_std = deviations
    return Preprocessing(content["image_size"], content["fit"], (red, green, blue), (red_std, green_std, blue_std))

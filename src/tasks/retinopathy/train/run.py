"""train: the network with its ordinal head, and the card of what came out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, model_validator

from tasks.common.data.manifest import label_order, read_manifest, targets_of
from tasks.common.data.shards import open_shard
from tasks.common.learning.batches import Batches
from tasks.common.learning.card_of import write_model_card
from tasks.common.learning.channels import channel_statistics
from tasks.common.learning.checkpoints import checkpoints
from tasks.common.learning.history import history
from tasks.common.learning.measures import Measure
from tasks.common.learning.schedule import cosine_schedule
from tasks.common.learning.stage_key import stage_key
from tasks.common.learning.torch_loop import fit_torch
from tasks.common.learning.trainer import DataParams, TrainerParams, start_torch
from tasks.common.model.pixels import normalise
from tasks.common.model.torch_file import save_torch
from tasks.common.stage.files import new_folder, read_json
from tasks.common.stage.params import StageParams
from tasks.common.stage.paths import TaskPaths
from tasks.retinopathy.model.agreement import agreement
from tasks.retinopathy.model.network import STAGES_OF_RESNET, Name, build
from tasks.retinopathy.model.ordinal import decide, importance_weights, ordinal_loss
from tasks.retinopathy.model.scoring import MODEL_FILE
from tasks.retinopathy.train.augment import Augmentation, augment
from tasks.retinopathy.train.pretrained import Pretrained, load_pretrained

if TYPE_CHECKING:
    import numpy as np


Widths = list[Annotated[int, Field(ge=1, le=4096)]]


class WidthsParams(StageParams):
    """`retinopathy.train.widths`."""

    small_cnn: Annotated[Widths, Field(min_length=1, max_length=8)]
    resnet18: Annotated[Widths, Field(min_length=STAGES_OF_RESNET, max_length=STAGES_OF_RESNET)]


class Params(StageParams):
    """`retinopathy.train`."""

    model: Name
    widths: WidthsParams
    pretrained: Pretrained | None
    dropout: Annotated[float, Field(ge=0, lt=1)]
    epochs: Annotated[int, Field(ge=1, le=1000)]
    batch_size: Annotated[int, Field(ge=2)]
    learning_rate: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)]
    warmup_share: Annotated[float, Field(ge=0, lt=1)]
    augmentation: Augmentation
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    data: DataParams
    trainer: TrainerParams

    @model_validator(mode="after")
    def _pretrained_is_of_resnet(self) -> Params:
        if self.pretrained and self.model != "resnet18":
            raise ValueError("pretrained weights are for the model resnet18; set pretrained to null")
        return self


def run(paths: TaskPaths, params: Params) -> None:
    """Write the model with its card, and the history of its training."""
    import torch

    key = stage_key(paths, "train")
    examples = read_manifest(paths.prepared)
    labels = label_order(example.label for example in examples)
    mean, std = channel_statistics(open_shard(paths.prepared, "photographs", "train"))

    def batches(split: str, seed: int | None) -> Batches:
        def transform(images: Any, grades: Any, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
            if split == "train":
                images = augment(images, params.augmentation, rng)
            return normalise(images, mean, std), grades

        images, grades = open_shard(paths.prepared, "photographs", split), targets_of(examples, labels, split)
        return Batches(images, grades, params.batch_size, seed, transform, params.data.num_workers)

    train, validation = batches("train", params.seed), batches("validation", None)
    # The checkpoints go last, when the model is in its place.
    with checkpoints(paths, key, params) as store, new_folder(paths.model) as folder:
        device = start_torch(params.trainer, params.seed)
        model = build(params.model, getattr(params.widths, params.model), params.dropout, len(labels) - 1)
        if params.pretrained:
            load_pretrained(model, paths, params.pretrained)
        optimizer = torch.optim.AdamW(
            model.parameters(), params.learning_rate, weight_decay=params.weight_decay, fused=device == "cuda"
        )
        n_steps = params.epochs * math.ceil(len(train) / params.trainer.accumulate_batches)
        with history(paths, params.trainer.epochs(params.epochs)) as log_epoch:
            best = fit_torch(
                model,
                optimizer,
                train,
                validation,
                loss=ordinal_loss(importance_weights(train.targets, len(labels))),
                measure=grade_measure(len(labels)),
                epochs=params.epochs,
                trainer=params.trainer,
                log_epoch=log_epoch,
                checkpoints=store.phase("network"),
                learning_rate_at=cosine_schedule(params.learning_rate, params.warmup_share, n_steps),
            )
        save_torch(model, folder / MODEL_FILE)
        write_model_card(
            paths,
            folder,
            framework="torch",
            files=[MODEL_FILE],
            labels=labels,
            preprocessing={**read_json(paths.prepared / "framing.json", "prepare"), "mean": mean, "std": std},
            params=params,
            best_epoch=best.epoch,
            validation=best.validation(),
            key=key,
        )


def grade_measure(n_grades: int) -> Measure:
    """`qwk`, `mae` and `accuracy` of the grades that logits (B, K - 1) decide for."""
    import numpy as np

    def summarise(logits: np.ndarray, grades: np.ndarray) -> np.ndarray:
        return np.stack([grades, decide(logits)], axis=1).astype(np.float64)

    def measure(rows: np.ndarray) -> dict[str, float]:
        grades, decided = rows.astype(np.int64).T
        return agreement(grades, decided, n_grades)

    return Measure(summarise, measure)

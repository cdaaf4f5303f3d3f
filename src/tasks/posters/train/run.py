"""train: the head on a frozen backbone first, then all of it at its own rate, and the card of what came out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from tasks.common.data.label_sets import labels_of, target_matrix
from tasks.common.data.manifest import Example, label_order, read_manifest
from tasks.common.data.shards import open_shard
from tasks.common.learning.batches import Batches
from tasks.common.learning.best import Best
from tasks.common.learning.card_of import write_model_card
from tasks.common.learning.checkpoints import PhaseCheckpoints, checkpoints
from tasks.common.learning.history import clear_history, history
from tasks.common.learning.keras_loop import fit_keras
from tasks.common.learning.stage_key import stage_key
from tasks.common.learning.trainer import DataParams, TrainerParams, keras_policy, start_keras
from tasks.common.model.keras_file import import_keras, load_keras, save_keras
from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import new_folder, read_json
from tasks.common.stage.params import StageParams
from tasks.common.stage.paths import TaskPaths
from tasks.posters.model.network import Architecture, Backbone, backbone_of, build_network
from tasks.posters.model.scoring import MODEL_FILE, score_pixels
from tasks.posters.model.thresholds import choose_thresholds
from tasks.posters.train.objective import balancing_weights, genre_measure, sigmoid_cross_entropy

if TYPE_CHECKING:
    import keras


class PhaseParams(StageParams):
    """`posters.train.head` and `posters.train.fine_tune`."""

    epochs: Annotated[int, Field(ge=1, le=1000)]
    learning_rate: Annotated[float, Field(gt=0)]


class Params(StageParams):
    """`posters.train`."""

    backbone: Backbone
    weights: Literal["imagenet"] | None
    channels: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1, max_length=5)]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    positive_weights: Literal["none", "balanced"]
    batch_size: Annotated[int, Field(ge=1)]
    head: PhaseParams
    fine_tune: PhaseParams
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    data: DataParams
    trainer: TrainerParams

    @model_validator(mode="after")
    def _has_weights(self) -> Params:
        if self.weights and self.backbone != "efficientnetv2_b0":
            raise ValueError("there are ImageNet weights for efficientnetv2_b0 only; set weights to null")
        return self


def run(paths: TaskPaths, params: Params) -> None:
    """Write the model with its card, and the histories of both phases under head/ and fine_tune/.

    Raises TaskError where the backbone's weights cannot be had or the training diverges.
    """
    key = stage_key(paths, "train")
    examples = read_manifest(paths.prepared)
    labels = label_order(label for example in examples for label in labels_of(example))
    said_of_input = _read_input(paths)
    train = _batches(paths, params, examples, labels, "train", params.seed)
    validation = _batches(paths, params, examples, labels, "validation", None)
    start_keras(params.trainer, params.seed)
    architecture = Architecture(params.backbone, train.inputs.shape[1], params.channels, params.dropout)
    with keras_policy(params.trainer):
        model = build_network(architecture, len(labels), params.weights)
    # The checkpoints go last, when the model is in its place.
    with checkpoints(paths, key, params) as store, new_folder(paths.model) as folder:
        clear_history(paths)
        head = _fit_phase(paths, params, model, train, validation, "head", store.phase("head"))
        head_weights = model.get_weights()
        best = _fit_phase(paths, params, model, train, validation, "fine_tune", store.phase("fine_tune"))
        best_epoch = params.trainer.epochs(params.head.epochs) + best.epoch
        if head.validation()["loss"] <= best.validation()["loss"]:
            model.set_weights(head_weights)
            best, best_epoch = head, head.epoch
        save_keras(model, folder / MODEL_FILE)
        # By the file, which computes in float32 whatever the training did.
        scores = score_pixels(load_keras(folder / MODEL_FILE), validation.inputs, params.batch_size)
        thresholds = choose_thresholds(validation.targets > 0, scores)
        write_model_card(
            paths,
            folder,
            framework="tensorflow",
            files=[MODEL_FILE],
            labels=labels,
            preprocessing=said_of_input | {"thresholds": dict(zip(labels, thresholds, strict=True))},
            params=params,
            best_epoch=best_epoch,
            validation=best.validation(),
            key=key,
        )


def _read_input(paths: TaskPaths) -> dict[str, Any]:
    said = read_json(paths.prepared / "input.json", "prepare")
    if not isinstance(said, dict):
        raise TaskError(f"{paths.prepared / 'input.json'} is not what prepare writes; run the stage prepare again.")
    return said


def _batches(
    paths: TaskPaths, params: Params, examples: Sequence[Example], labels: Sequence[str], split: str, seed: int | None
) -> Batches:
    """Pixels (N, S, S, 3) uint8 and targets (N, K) of one split."""
    pixels = open_shard(paths.prepared, "images", split)
    targets = target_matrix([example for example in examples if example.split == split], labels)
    return Batches(pixels, targets, params.batch_size, seed, None, params.data.num_workers)


def _fit_phase(
    paths: TaskPaths,
    params: Params,
    model: keras.Model,
    train: Batches,
    validation: Batches,
    name: Literal["head", "fine_tune"],
    phase: PhaseCheckpoints,
) -> Best[Any]:
    phase_params = params.head if name == "head" else params.fine_tune
    backbone_of(model).trainable = name == "fine_tune"
    with history(paths, params.trainer.epochs(phase_params.epochs), f"{name}/") as log_epoch:
        return fit_keras(
            model,
            import_keras().optimizers.Adam(phase_params.learning_rate),
            train,
            validation,
            loss=sigmoid_cross_entropy(
                balancing_weights(train.targets) if params.positive_weights == "balanced" else None
            ),
            measure=genre_measure(),
            epochs=phase_params.epochs,
            trainer=params.trainer,
            log_epoch=log_epoch,
            checkpoints=phase,
        )

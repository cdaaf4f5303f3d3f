"""One network, as a job of its own: a fold's, which never sees the fold's patients, or the refit's, which sees all."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.common.learning.batches import Batches
from tasks.common.learning.checkpoints import checkpoints
from tasks.common.learning.keras_loop import fit_keras
from tasks.common.learning.measures import Measure
from tasks.common.learning.ranks import Again
from tasks.common.learning.schedule import cosine_schedule
from tasks.common.learning.trainer import keras_policy, start_keras
from tasks.common.model.keras_file import import_keras, save_keras
from tasks.common.stage.files import write_json
from tasks.common.stage.paths import TaskPaths
from tasks.common.stage.progress import progress
from tasks.prostate.model.architecture import build, network_input
from tasks.prostate.model.losses import loss_function
from tasks.prostate.model.prepared import Prepared, open_prepared
from tasks.prostate.model.scoring import REFIT, model_file
from tasks.prostate.train.augmentation import augment
from tasks.prostate.train.params import Params

if TYPE_CHECKING:
    import numpy as np


def run(root: Path, arguments: dict[str, Any], out: Path) -> None:
    """Write `<name>.keras`, and result.json with what each epoch measured and which was the best.

    arguments: `name`, a fold or REFIT; `epochs`, how many of the schedule's to train; the rest is the same for all.
    """
    name, epochs = str(arguments["name"]), int(arguments["epochs"])
    outputs = arguments["outputs"]
    paths = TaskPaths(root, arguments["task"], None if outputs is None else Path(outputs), arguments["overridden"])
    params = Params.model_validate(arguments["params"])
    prepared = open_prepared(paths.prepared)
    if name == REFIT:
        train, validation = _batches(prepared, prepared.all_slices(), params, learns=True), None
    else:
        train = _batches(prepared, prepared.slice_numbers(name, "train"), params, learns=True)
        validation = _batches(prepared, prepared.slice_numbers(name, "validation"), params, learns=False)

    start_keras(params.trainer, params.seed)
    with keras_policy(params.trainer):
        model = build(params.architecture, prepared.images.shape[1], params.channels)
    # Of all epochs, also where the last of them are not trained: an epoch of the refit learns as fast as a fold's.
    steps = params.trainer.epochs(params.epochs) * math.ceil(len(train) / params.trainer.accumulate_batches)
    measured: list[dict[str, float]] = []
    again = Again(root, "tasks.prostate.train.network:run", arguments)
    with (
        checkpoints(paths, arguments["key"], params, part=name, again=again) as store,
        progress(f"train {paths.task} {name}", params.trainer.epochs(epochs), "epoch") as advance,
    ):

        def log_epoch(metrics: Any) -> None:
            measured.append(dict(metrics))
            advance("  ".join(f"{metric} {value:.4f}" for metric, value in metrics.items()))

        best = fit_keras(
            model,
            import_keras().optimizers.Adam(params.learning_rate),
            train,
            validation,
            loss=loss_function(params.loss, params.miss_weight, params.focus),
            measure=overlap_measure(),
            epochs=epochs,
            trainer=params.trainer,
            log_epoch=log_epoch,
            checkpoints=store.phase("network"),
            learning_rate_at=cosine_schedule(params.learning_rate, params.warmup_share, steps),
        )
        save_keras(model, out / model_file(name))
        write_json(out / "result.json", {"epochs": measured, "best_epoch": best.epoch, "validation": best.validation()})


def overlap_measure() -> Measure:
    """`dice` and `iou` over all pixels of a split, from logits and targets (B, H, W, 1)."""
    import numpy as np

    def summarise(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        predicted, actual = outputs > 0, targets > 0
        axes = (1, 2, 3)
        return np.stack([(predicted & actual).sum(axes), predicted.sum(axes), actual.sum(axes)], 1).astype(np.float64)

    def measure(rows: np.ndarray) -> dict[str, float]:
        hit, predicted, actual = rows.sum(axis=0)
        either = predicted + actual - hit
        return {
            "dice": float(2 * hit / (predicted + actual)) if either else 1.0,
            "iou": float(hit / either) if either else 1.0,
        }

    return Measure(summarise, measure)


def _batches(prepared: Prepared, numbers: np.ndarray, params: Params, *, learns: bool) -> Batches:
    """Slices (N,) by their numbers, so that nothing is read before its turn and nothing is copied."""
    import numpy as np

    def transform(numbers: np.ndarray, _: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        images = network_input(prepared.images[numbers])  # (B, H, W, 1)
        masks = prepared.masks[numbers].astype(np.float32)[..., None]
        if learns:
            return augment(images, masks, params.flip_share, params.brightness, params.shift_pixels, generator)
        return images, masks

    seed = params.seed if learns else None
    return Batches(numbers, numbers, params.batch_size, seed, transform, params.data.num_workers)

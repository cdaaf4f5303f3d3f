"""evaluate: every volume by the model of the fold that tests it, which has never seen its patient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from tasks.common.evaluation.pictures import picture_grid, write_pictures
from tasks.common.evaluation.results import check_scores, write_confusion, write_metrics, write_predictions
from tasks.common.evaluation.segmentation import dice, iou, overlap_counts
from tasks.common.model.card import read_card
from tasks.common.model.device import Device
from tasks.common.stage.errors import TaskError
from tasks.common.stage.params import StageParams
from tasks.common.stage.paths import TaskPaths
from tasks.prostate.evaluate.baseline import threshold_dice
from tasks.prostate.evaluate.overlays import overlay, spread_slices
from tasks.prostate.model.prepared import Prepared, open_prepared
from tasks.prostate.model.scoring import LABEL, folds_of, gland_mask, load_scorers

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

EMPTY = "empty"


class Params(StageParams):
    """`prostate.evaluate`."""

    batch_size: Annotated[int, Field(ge=1)]
    threshold: Annotated[float, Field(gt=0, lt=1)]
    largest_component: bool
    pictures: Annotated[int, Field(ge=1, le=100)]
    device: Device
    threads: Annotated[int, Field(ge=1, le=1024)]


def run(paths: TaskPaths, params: Params) -> None:
    """Write metrics.json, predictions.parquet with a row a study, confusion.csv with a row a slice, and overlays.

    A study's Dice is that of its whole volume: slices without gland count, and so does gland outside of the crop.
    """
    prepared = open_prepared(paths.prepared)
    masks = predict_volumes(paths, prepared, params)
    counts = []
    for volume, mask in enumerate(masks):
        hit, predicted, _ = overlap_counts(prepared.masks[prepared.slices(volume)], mask)
        counts.append((hit, predicted, prepared.volumes[volume].target_voxels))
    dices = [dice(*count) for count in counts]
    ious = [iou(*count) for count in counts]
    write_predictions(
        paths,
        {
            "id": [example.id for example in prepared.examples],
            "target": [f"{actual} voxels" for _, _, actual in counts],
            "prediction": [f"{predicted} voxels" for _, predicted, _ in counts],
            "group": [example.group for example in prepared.examples],
            "slice:fold": [example.split for example in prepared.examples],
            "value:dice": dices,
            "value:iou": ious,
        },
    )
    write_confusion(paths, _slice_labels(prepared, masks))
    write_pictures(paths, _overlays(prepared, masks, dices, params.pictures))
    write_metrics(paths, _metrics(prepared, dices, ious))


def predict_volumes(paths: TaskPaths, prepared: Prepared, params: Params) -> list[np.ndarray]:
    """The mask (D, H, W) of each volume by the model of its fold. Raises TaskError where there is no such model."""
    card = read_card(paths.model, paths.task)
    if card.preprocessing != prepared.recipe:
        raise TaskError(
            f"{paths.model}: the model takes slices that are cut in another way; run the stage train again."
        )
    if set(folds_of(card)) != set(prepared.folds):
        raise TaskError(f"{paths.model}: the models are of other folds than the data; run the stage train again.")
    scorers = load_scorers(paths.model, card, prepared.folds, params.device, params.threads, params.batch_size)
    masks = []
    for volume, example in enumerate(prepared.examples):
        slices = prepared.images[prepared.slices(volume)]
        probabilities = scorers[example.split](slices)
        check_scores(paths, probabilities, slices.shape)
        masks.append(gland_mask(probabilities, params.threshold, params.largest_component))
    return masks


def _metrics(prepared: Prepared, dices: Sequence[float], ious: Sequence[float]) -> dict[str, Any]:
    baseline = threshold_dice(prepared)
    of_folds = {
        f"dice_{fold.replace('-', '_')}": _mean([dices[volume] for volume in prepared.part(fold, "test")])
        for fold in prepared.folds
    }
    return {
        "dice": _mean(dices),
        "iou": _mean(ious),
        "dice_worst": min(dices),
        **of_folds,
        "threshold_baseline_dice": _mean(baseline),
        "examples": len(dices),
        "patients": len({example.group for example in prepared.examples}),
    }


def _slice_labels(prepared: Prepared, masks: Sequence[np.ndarray]) -> list[tuple[str, str]]:
    """What each slice has and what the model finds in it: LABEL or EMPTY."""
    pairs = []
    for volume, mask in enumerate(masks):
        for actual, predicted in zip(prepared.masks[prepared.slices(volume)], mask, strict=True):
            pairs.append((LABEL if actual.any() else EMPTY, LABEL if predicted.any() else EMPTY))
    return pairs


def _overlays(
    prepared: Prepared, masks: Sequence[np.ndarray], dices: Sequence[float], n_slices: int
) -> dict[str, Image]:
    ranked = sorted(range(len(dices)), key=lambda volume: dices[volume])
    pictures = {}
    for name, volume in (("worst", ranked[0]), ("median", ranked[len(ranked) // 2]), ("best", ranked[-1])):
        where = prepared.slices(volume)
        images, actual, predicted = prepared.images[where], prepared.masks[where], masks[volume]
        shown = spread_slices(actual, predicted, n_slices)
        captions = [f"slice {number} of {len(images)}\nDice {dices[volume]:.3f}" for number in shown]
        pixels = [overlay(images[number], actual[number], predicted[number]) for number in shown]
        pictures[name] = picture_grid(pixels, captions, columns=n_slices, side_pixels=pixels[0].shape[0])
    return pictures


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)

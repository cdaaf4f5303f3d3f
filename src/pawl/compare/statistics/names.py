"""What metrics are called: one name for each, whatever a metrics file calls it, and which of them predictions give."""

from __future__ import annotations

import re
from typing import Literal

from pawl.compare.statistics.predictions import Predictions
from pawl.config import guess_direction

Direction = Literal["higher", "lower"]
RECALL = "recall:"
"""Begins the name of the recall of one class: `recall:<label>`."""

_DIRECTIONS: dict[str, Direction] = {
    "accuracy": "higher",
    "balanced_accuracy": "higher",
    "macro_f1": "higher",
    "micro_f1": "higher",
    "weighted_f1": "higher",
    "qwk": "higher",
    "auroc": "higher",
    "average_precision": "higher",
    "mean_average_precision": "higher",
    "log_loss": "lower",
    "brier": "lower",
    "calibration_error": "lower",
    "mae": "lower",
    "rmse": "lower",
    "r2": "higher",
}
_SPELLINGS = {
    "accuracy": "acc accuracy_score top1 top_1 top1_accuracy subset_accuracy exact_match categorical_accuracy "
    "sparse_categorical_accuracy",
    "balanced_accuracy": "balanced_acc bal_acc balanced_accuracy_score macro_recall recall_macro mean_recall uar",
    "macro_f1": "f1_macro f1macro macro_avg_f1 macro_avg_f1_score f1_score_macro macro_f1_score",
    "micro_f1": "f1_micro f1micro micro_avg_f1 f1_score_micro micro_f1_score",
    "weighted_f1": "f1_weighted f1weighted weighted_avg_f1 weighted_avg_f1_score f1_score_weighted weighted_f1_score",
    "qwk": "quadratic_weighted_kappa quadratic_kappa weighted_kappa kappa_quadratic cohen_kappa_quadratic",
    "auroc": "auc roc_auc rocauc roc_auc_score auc_roc area_under_roc roc_auc_ovr roc_auc_macro macro_auroc",
    "average_precision": "ap auprc pr_auc prauc auc_pr average_precision_score area_under_pr",
    "mean_average_precision": "map mean_ap macro_average_precision average_precision_macro map_macro macro_map",
    "log_loss": "logloss nll neg_log_likelihood negative_log_likelihood cross_entropy crossentropy "
    "categorical_crossentropy binary_crossentropy cross_entropy_loss",
    "brier": "brier_score brier_loss brier_score_loss",
    "calibration_error": "ece expected_calibration_error",
    "mae": "mean_absolute_error mean_abs_error l1 l1_loss",
    "rmse": "root_mean_squared_error root_mean_square_error",
    "r2": "r2_score r_squared rsquared r_2 coefficient_of_determination",
    "dice": "mean_dice dice_score dice_mean dice_coefficient dsc",
    "iou": "mean_iou miou iou_mean jaccard jaccard_index mean_jaccard",
}
_CANONICAL = {spelling: name for name, spellings in _SPELLINGS.items() for spelling in (name, *spellings.split())}
_SPLITS = ("test", "eval", "evaluation", "val", "valid", "validation", "holdout")


def canonical(key: str) -> str | None:
    """The name that this package has for the metric that a metrics file calls `key`; None where it has none.

    Case, `-`, `.`, `/` and spaces are alike, and a split in front is left off. The loss of a training is no metric of
    predictions, so `loss` has none.

    >>> canonical("test/F1-macro"), canonical("ROC AUC"), canonical("recall:cat"), canonical("examples")
    ('macro_f1', 'auroc', 'recall:cat', None)
    """
    if key.startswith(RECALL) and len(key) > len(RECALL):
        return key
    words = [word for word in re.split(r"[^a-z0-9]+", key.lower()) if word]
    if len(words) > 1 and words[0] in _SPLITS:
        words = words[1:]
    return _CANONICAL.get("_".join(words))


def direction_of(name: str) -> Direction:
    """Which way a metric is better, by its canonical name; of a value by the words in its name, else higher."""
    if name in _DIRECTIONS:
        return _DIRECTIONS[name]
    return "lower" if guess_direction(name) == "lower" else "higher"


def is_known(name: str) -> bool:
    """Whether the better direction of a canonical name is nobody's guess."""
    return name in _DIRECTIONS or name.startswith(RECALL)


def metric_names(predictions: Predictions) -> tuple[str, ...]:
    """The metrics that these predictions give without being asked for by name, the commonest first.

    Left out: what has no value for want of examples. `micro_f1` of one label each is the accuracy.
    """
    names: tuple[str, ...] = ()
    kind, scored = predictions.kind, predictions.scores is not None
    if kind == "classification":
        present = _present_labels(predictions)
        names = ("accuracy", "balanced_accuracy", "macro_f1", "micro_f1", "weighted_f1")
        if grades(predictions.labels) is not None and len(predictions.labels) > 2:
            names += ("qwk", "mae")
        if scored:
            if len(present) > 1:
                names += ("auroc",)
            names += ("average_precision" if len(predictions.labels) == 2 else "mean_average_precision",)
            names += ("log_loss", "brier", "calibration_error")
        names += tuple(RECALL + label for label in present)
    elif kind == "multi-label":
        names = ("macro_f1", "micro_f1", "weighted_f1", "accuracy")
        names += ("mean_average_precision", "auroc", "log_loss", "brier") if scored else ()
    elif kind == "regression":
        names = ("mae", "rmse", "r2")
    return names + tuple(name for name in predictions.values if name not in names)


def default_primary(predictions: Predictions) -> str | None:
    """The metric to judge by where nobody chose one; None where there is none."""
    if predictions.kind == "classification":
        return "accuracy"
    if predictions.kind == "multi-label":
        return "macro_f1" if predictions.scores is None else "mean_average_precision"
    return "mae" if predictions.kind == "regression" else next(iter(predictions.values), None)


def grades(labels: tuple[str, ...]) -> tuple[int, ...] | None:
    """Labels as whole numbers; None where one of them is none."""
    return tuple(map(int, labels)) if all(re.fullmatch("-?[0-9]{1,9}", label) for label in labels) else None


def _present_labels(predictions: Predictions) -> tuple[str, ...]:
    import numpy as np

    assert predictions.targets is not None
    counts = np.bincount(predictions.targets, minlength=len(predictions.labels))
    return tuple(label for label, count in zip(predictions.labels, counts, strict=True) if count)

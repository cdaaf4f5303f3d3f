"""What evaluate leaves: metrics, a row for every test example, and the confusion of labels."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tasks.common.data.manifest import Example
from tasks.common.evaluation.metrics import classification_metrics
from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import new_file, write_json
from tasks.common.stage.paths import TaskPaths
from tasks.common.stage.progress import say

if TYPE_CHECKING:
    import numpy as np


def write_classification(
    paths: TaskPaths,
    examples: Sequence[Example],
    scores: np.ndarray,
    labels: Sequence[str],
    calibration_bins: int,
    *,
    images: Sequence[bytes | None] | None = None,
) -> None:
    """Write metrics, predictions and confusion of a classifier.

    examples: the whole manifest. scores: (N, K) probabilities of its test examples, in its order, for the K `labels`.
    images: a small picture of each, where examples can be looked at. Raises TaskError for a test example whose label
    the model does not know, or scores that are not finite.
    """
    test = [example for example in examples if example.split == "test"]
    targets = label_numbers(paths, test, labels)
    check_scores(paths, scores, (len(test), len(labels)))
    predicted = [labels[number] for number in scores.argmax(axis=1)]
    columns = class_columns(test, predicted, scores, labels)
    write_predictions(paths, columns if images is None else columns | {"image": images})
    write_confusion(paths, zip((example.label for example in test), predicted, strict=True))
    majority = labels.index(majority_label(examples, labels))
    write_metrics(paths, classification_metrics(targets, scores, majority, calibration_bins))


def label_numbers(paths: TaskPaths, test: Sequence[Example], labels: Sequence[str]) -> np.ndarray:
    """(N,) the place of each example's label in `labels`. Raises TaskError for one that is not there."""
    import numpy as np

    number_of = {label: number for number, label in enumerate(labels)}
    for example in test:
        if example.label not in number_of:
            raise TaskError(f'{paths.prepared}: the model does not know the class "{example.label}"; run train again.')
    return np.array([number_of[example.label] for example in test])


def check_scores(paths: TaskPaths, scores: np.ndarray, shape: tuple[int, ...]) -> None:
    """Raise TaskError where the model's scores are of another shape or not finite."""
    import numpy as np

    if scores.shape != shape or not np.isfinite(scores).all():
        raise TaskError(f"{paths.model}: the model's scores are not finite; run the stage train again.")


def majority_label(examples: Sequence[Example], labels: Sequence[str]) -> str:
    """The commonest label of the training split, the first in `labels` among equals."""
    in_train = Counter(example.label for example in examples if example.split == "train")
    return max(labels, key=lambda label: in_train[label])


def class_columns(
    test: Sequence[Example], predicted: Sequence[str], scores: np.ndarray, labels: Sequence[str]
) -> dict[str, Sequence[Any]]:
    """Columns of predictions.parquet where every example has one label: id, target, prediction, score:<label>."""
    columns: dict[str, Sequence[Any]] = {
        "id": [example.id for example in test],
        "target": [example.label for example in test],
        "prediction": list(predicted),
    }
    for number, label in enumerate(labels):
        columns[f"score:{label}"] = scores[:, number].tolist()
    return columns


def write_predictions(paths: TaskPaths, columns: Mapping[str, Sequence[Any]]) -> None:
    """Write predictions.parquet: `score:` and `value:` columns are numbers, `image` is encoded, all others texts."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    def type_of(name: str) -> Any:
        if name.startswith(("score:", "value:")):
            return pa.float64()
        return pa.binary() if name == "image" else pa.string()

    arrays = {name: pa.array(values, type_of(name)) for name, values in columns.items()}
    with new_file(paths.predictions) as partial:
        pq.write_table(pa.table(arrays), partial)


def write_confusion(paths: TaskPaths, pairs: Iterable[tuple[str, str]]) -> None:
    """Write confusion.csv from (actual, predicted) labels."""
    with new_file(paths.confusion) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("actual", "predicted"))
        writer.writerows(pairs)


def write_metrics(paths: TaskPaths, metrics: Mapping[str, float | int]) -> None:
    """Write metrics.json, and say what is in it."""
    write_json(paths.metrics, dict(metrics))
    say(f"evaluate {paths.task}: " + "  ".join(f"{name} {value:.4g}" for name, value in metrics.items()))

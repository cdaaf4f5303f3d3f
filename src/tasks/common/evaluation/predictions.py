"""What evaluate leaves of every test example, for paired comparisons and for the confusion matrix."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tasks.common.data.manifest import Example
from tasks.common.evaluation.metrics import classification_metrics
from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import new_file, write_json
from tasks.common.stage.paths import TaskPaths
from tasks.common.stage.progress import say

if TYPE_CHECKING:
    import numpy as np


def write_results(
    paths: TaskPaths, examples: Sequence[Example], scores: np.ndarray, labels: Sequence[str], calibration_bins: int
) -> None:
    """Write metrics, predictions and confusion of a classifier.

    examples: the whole manifest. scores: (N, K) probabilities of its test examples, in its order, for the K `labels`.
    Raises TaskError for a test example whose label the model does not know, or scores that are not finite.
    """
    import numpy as np

    test = [example for example in examples if example.split == "test"]
    number_of = {label: number for number, label in enumerate(labels)}
    for example in test:
        if example.label not in number_of:
            raise TaskError(f'{paths.prepared}: the model does not know the class "{example.label}"; run train again.')
    if scores.shape != (len(test), len(labels)) or not np.isfinite(scores).all():
        raise TaskError(f"{paths.model}: the model's scores are not finite; run the stage train again.")
    targets = np.array([number_of[example.label] for example in test])
    predicted = [labels[number] for number in scores.argmax(axis=1)]
    in_train = Counter(example.label for example in examples if example.split == "train")
    majority = max(labels, key=lambda label: in_train[label])

    _write_predictions(paths, test, predicted, scores, labels)
    with new_file(paths.confusion) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("actual", "predicted"))
        writer.writerows((example.label, label) for example, label in zip(test, predicted, strict=True))
    metrics = classification_metrics(targets, scores, number_of[majority], calibration_bins)
    write_json(paths.metrics, metrics)
    say(f"evaluate {paths.task}: " + "  ".join(f"{name} {value:.4g}" for name, value in metrics.items()))


def _write_predictions(
    paths: TaskPaths, test: Sequence[Example], predicted: Sequence[str], scores: np.ndarray, labels: Sequence[str]
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        "id": pa.array([example.id for example in test], pa.string()),
        "target": pa.array([example.label for example in test], pa.string()),
        "prediction": pa.array(predicted, pa.string()),
    }
    for number, label in enumerate(labels):
        columns[f"score:{label}"] = pa.array(scores[:, number], pa.float64())
    with new_file(paths.predictions) as partial:
        pq.write_table(pa.table(columns), partial)

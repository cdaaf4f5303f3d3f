"""train: encoding, selection of columns and model, all fitted on the training split alone."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from tasks.common.data.manifest import Example, label_order, read_manifest
from tasks.common.learning.best import Best
from tasks.common.learning.card_of import write_model_card
from tasks.common.learning.history import LogEpoch, history
from tasks.common.learning.stage_key import stage_key
from tasks.common.model.skops_file import save_skops
from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import new_folder
from tasks.common.stage.params import PARAMS_FILE, StageParams
from tasks.common.stage.paths import TaskPaths
from tasks.tabular.model.pipeline import MODEL_FILE, build_encoder, distinct_columns, fit_selection
from tasks.tabular.model.table import describe_input, read_table

if TYPE_CHECKING:
    import numpy as np

    Arrays = tuple[np.ndarray, np.ndarray]

MAX_FOLDS = 5
MEASURED_ROWS = 5_000
"""Of the training split, about, after each epoch of the network."""


class Params(StageParams):
    """`tabular.train`."""

    model: Literal["logistic_regression", "svc", "mlp"]
    select_columns: Annotated[int, Field(ge=1)]
    min_category_count: Annotated[int, Field(ge=1)]
    C: Annotated[float, Field(gt=0)]
    epochs: Annotated[int, Field(ge=1, le=10_000)]
    batch_size: Annotated[int, Field(ge=1)]
    learning_rate: Annotated[float, Field(gt=0)]
    hidden_units: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1, max_length=10)]
    seed: Annotated[int, Field(ge=0, lt=2**32)]


def run(paths: TaskPaths, params: Params) -> None:
    """Write the model with its card, and the history of its training."""
    from sklearn.pipeline import Pipeline

    key = stage_key(paths, "train")
    examples = read_manifest(paths.prepared)
    table = read_table(paths.prepared)
    labels = label_order(example.label for example in examples)
    train_rows, train_targets = _rows(examples, labels, "train")
    validation_rows, validation_targets = _rows(examples, labels, "validation")

    columns = distinct_columns(table.iloc[train_rows])
    train_table = table.iloc[train_rows][columns]
    encoder = build_encoder(train_table, params.min_category_count).fit(train_table)
    encoded = encoder.transform(train_table)
    selection = fit_selection(encoded, train_targets, params.select_columns)
    train = (selection.transform(encoded), train_targets)
    encoded_validation = encoder.transform(table.iloc[validation_rows][columns])
    validation = (selection.transform(encoded_validation), validation_targets)

    epochs = params.epochs if params.model == "mlp" else 1
    with new_folder(paths.model) as folder:
        with history(paths, epochs) as log_epoch:
            if params.model == "mlp":
                model, best = _fit_mlp(params, train, validation, log_epoch)
            else:
                model, best = _fit_at_once(params, train, validation, log_epoch)
        save_skops(Pipeline([("encode", encoder), ("select", selection), ("model", model)]), folder / MODEL_FILE)
        write_model_card(
            paths,
            folder,
            framework="scikit-learn",
            files=[MODEL_FILE],
            labels=labels,
            preprocessing=describe_input(paths.prepared, columns) | {"selected": _names(encoder, selection)},
            params=params,
            best_epoch=best.epoch,
            validation=best.validation(),
            key=key,
        )


def _rows(examples: Sequence[Example], labels: Sequence[str], split: str) -> tuple[list[int], np.ndarray]:
    import numpy as np

    rows = [index for index, example in enumerate(examples) if example.split == split]
    return rows, np.array([labels.index(examples[index].label) for index in rows])


def _names(encoder: Any, selection: Any) -> list[str]:
    return [str(name) for name in selection.get_feature_names_out(encoder.get_feature_names_out())]


def _fit_at_once(params: Params, train: Arrays, validation: Arrays, log_epoch: LogEpoch) -> tuple[Any, Best[None]]:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC

    if params.model == "logistic_regression":
        model: Any = LogisticRegression(C=params.C, max_iter=10_000)
    else:
        smallest_class = min(int((train[1] == label).sum()) for label in set(train[1].tolist()))
        if smallest_class < 2:
            raise TaskError(
                "a class has only one row in the training split, and an SVC needs two for its probabilities; "
                f"add rows, or set tabular.train.model in {PARAMS_FILE} to logistic_regression."
            )
        # An SVC has no probabilities of its own: Platt's are fitted to its scores on rows it has not seen.
        model = CalibratedClassifierCV(SVC(C=params.C), cv=min(MAX_FOLDS, smallest_class), ensemble=False)
    model.fit(*train)
    best: Best[None] = Best()
    metrics = _measure(model, train, validation)
    best.offer(0, metrics, lambda: None)
    log_epoch(metrics)
    return model, best


def _fit_mlp(params: Params, train: Arrays, validation: Arrays, log_epoch: LogEpoch) -> tuple[Any, Best[Any]]:
    import numpy as np
    from sklearn.neural_network import MLPClassifier

    inputs, targets = train
    rng = np.random.default_rng(params.seed)
    model = MLPClassifier(
        tuple(params.hidden_units),
        learning_rate_init=params.learning_rate,
        batch_size=min(params.batch_size, len(targets)),
        random_state=params.seed,
        shuffle=False,
    )
    # Of a large table an even choice of rows says how well they are learnt: all would take as long as learning them.
    every = math.ceil(len(targets) / MEASURED_ROWS)
    measured = inputs[::every], targets[::every]
    best: Best[Any] = Best()
    for epoch in range(params.epochs):
        order = rng.permutation(len(targets))
        model.partial_fit(inputs[order], targets[order], classes=np.unique(targets))
        metrics = _measure(model, measured, validation)
        best.offer(epoch, metrics, lambda: copy.deepcopy(model))
        log_epoch(metrics)
    return best.weights, best


def _measure(model: Any, train: Arrays, validation: Arrays) -> dict[str, float]:
    from sklearn.metrics import log_loss

    metrics = {}
    for prefix, (inputs, targets) in {"train": train, "val": validation}.items():
        scores = model.predict_proba(inputs)
        metrics[f"{prefix}/loss"] = float(log_loss(targets, scores, labels=model.classes_))
        metrics[f"{prefix}/accuracy"] = float((scores.argmax(axis=1) == targets).mean())
    return metrics

"""The pipeline from a table's rows to probabilities, all of it fitted on the rows it is given, and its file.

Shapes: N rows, F columns of the table, K labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.common.model.card import Card
from tasks.common.model.skops_file import load_skops
from tasks.common.stage.errors import TaskError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

MODEL_FILE = "model.skops"
MISSING_TEXT = "(missing)"

# Every type that a file of this task's models can hold; a file with any other is not read.
ALLOWED_TYPES = frozenset(
    [
        "builtins.dict",
        "builtins.list",
        "builtins.slice",
        "builtins.str",
        "builtins.tuple",
        "numpy.dtype",
        "numpy.float64",
        "numpy.ndarray",
        "numpy.random.mtrand.RandomState",
        "sklearn.calibration.CalibratedClassifierCV",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.compose._column_transformer.ColumnTransformer",
        "sklearn.feature_selection._univariate_selection.SelectKBest",
        "sklearn.feature_selection._univariate_selection.f_classif",
        "sklearn.feature_selection._variance_threshold.VarianceThreshold",
        "sklearn.impute._base.MissingIndicator",
        "sklearn.impute._base.SimpleImputer",
        "sklearn.linear_model._logistic.LogisticRegression",
        "sklearn.neural_network._multilayer_perceptron.MLPClassifier",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.pipeline.Pipeline",
        "sklearn.preprocessing._data.StandardScaler",
        "sklearn.preprocessing._encoders.OneHotEncoder",
        "sklearn.preprocessing._label.LabelBinarizer",
        "sklearn.svm._classes.SVC",
    ]
)


def distinct_columns(table: pd.DataFrame) -> list[str]:
    """The names of the columns (N,) that are not equal to one before them, with missing values equal to each other."""
    chosen: list[str] = []
    for name in table.columns:
        if not any(table[name].equals(table[other]) for other in chosen):
            chosen.append(name)
    return chosen


def build_encoder(table: pd.DataFrame, min_category_count: int) -> Any:
    """An unfitted transformer of the columns of `table` to numbers.

    Numbers: the median for missing ones, which get a column of their own too, then mean 0 and deviation 1. Texts: one
    column for each, texts met fewer than `min_category_count` times and unknown ones together.
    """
    from pandas.api.types import is_numeric_dtype
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = [name for name in table.columns if is_numeric_dtype(table[name])]
    texts = [name for name in table.columns if name not in numbers]
    of_numbers = Pipeline(
        [("impute", SimpleImputer(strategy="median", add_indicator=True)), ("scale", StandardScaler())]
    )
    of_texts = Pipeline(
        [
            ("impute", SimpleImputer(missing_values=None, strategy="constant", fill_value=MISSING_TEXT)),
            (
                "encode",
                OneHotEncoder(
                    handle_unknown="infrequent_if_exist", min_frequency=min_category_count, sparse_output=False
                ),
            ),
        ]
    )
    return ColumnTransformer([("numbers", of_numbers, numbers), ("texts", of_texts, texts)])


def fit_selection(encoded: np.ndarray, targets: np.ndarray, select_columns: int) -> Any:
    """A fitted selection of the `select_columns` encoded columns (N, E) that tell the classes (N,) apart best.

    By the F statistic of an analysis of variance, among the columns that are not constant.
    """
    from sklearn.feature_selection import SelectKBest, VarianceThreshold, f_classif
    from sklearn.pipeline import Pipeline

    varying = VarianceThreshold().fit(encoded)
    n_varying = int(varying.get_support().sum())
    best = SelectKBest(f_classif, k=min(select_columns, n_varying)).fit(varying.transform(encoded), targets)
    return Pipeline([("varying", varying), ("best", best)])


def score(folder: Path, card: Card, table: pd.DataFrame) -> np.ndarray:
    """Probabilities (N, K) of the rows of a table as tasks.tabular.model.table gives it, in the card's order of labels.

    Raises TaskError where the file or the table does not fit the card.
    """
    columns: Sequence[str] = card.preprocessing.get("columns", [])
    lost = [name for name in columns if name not in table.columns]
    if not columns or lost:
        raise TaskError(
            f"{folder}: the model needs the column {lost[:1] or 'list'}, which is missing; run train again."
        )
    pipeline = load_skops(folder / MODEL_FILE, ALLOWED_TYPES)
    scores: np.ndarray = pipeline.predict_proba(table[list(columns)])
    return scores

"""`predictions.parquet`: what one model said of each test example, read as data that nobody vouches for.

Columns: `id`, and `target` with `prediction`, or `value:<name>`, or both; optional `score:<label>`, `group`,
`slice:<name>` and `image`. Shapes: N examples, K labels.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pawl.compare.statistics.columns import (
    Table,
    is_number,
    is_text,
    is_whole,
    open_table,
    read_codes,
    read_numbers,
    read_texts,
)
from pawl.compare.statistics.images import Images
from pawl.errors import InputError

if TYPE_CHECKING:
    import numpy as np

Kind = Literal["classification", "multi-label", "regression", "values"]

SEPARATOR = "|"
"""Between the labels of one example that has several."""
MAX_LABELS = 1_000
MAX_SCORES = 200_000_000
MAX_SLICES = 100
MAX_VALUES = 100
SUM_TOLERANCE = 0.01
"""How far from 1 the scores of an example may add up: half precision is off by some thousandths."""
_RANGE_TOLERANCE = 1e-6
_MISSING = "(missing)"


@dataclass(frozen=True)
class Predictions:
    """One model's predictions of N test examples."""

    ids: np.ndarray
    """(N,) texts, dtype object, no two alike."""
    kind: Kind
    labels: tuple[str, ...] = ()
    """Of the classes, in natural order; none of regression and values."""
    targets: np.ndarray | None = None
    """classification: (N,) int64 places in `labels`; multi-label: (N, K) bool; regression: (N,) float64; values: (N,)
    texts, or None."""
    predictions: np.ndarray | None = None
    """As `targets`."""
    scores: np.ndarray | None = None
    """(N, K) float64 from 0 to 1, in the order of `labels`."""
    values: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    """(N,) float64 each."""
    groups: np.ndarray | None = None
    """(N,) int64, equal for examples of one group, such as a patient."""
    slices: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    """(N,) texts each, dtype object."""
    images: Images | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: np.ndarray) -> Predictions:
        """The examples at these places, (M,) numbers or (N,) booleans, in that order."""
        import numpy as np

        if rows.dtype == bool:
            rows = np.flatnonzero(rows)
        return dataclasses.replace(
            self,
            ids=self.ids[rows],
            targets=None if self.targets is None else self.targets[rows],
            predictions=None if self.predictions is None else self.predictions[rows],
            scores=None if self.scores is None else self.scores[rows],
            values={name: numbers[rows] for name, numbers in self.values.items()},
            groups=None if self.groups is None else self.groups[rows],
            slices={name: texts[rows] for name, texts in self.slices.items()},
            images=None if self.images is None else self.images.take(rows),
        )


def read_predictions(path: Path, name: str = "") -> Predictions:
    """The predictions in a parquet file, which errors call `name` (or its path).

    Whole numbers as target and prediction are labels, as texts are; numbers with decimals are a regression. Texts with
    `|` in them, or empty ones, are sets of labels. With `value:` columns and no scores, texts are only described.
    Raises InputError, with the column and row, for everything that is not as the module says.
    """
    table = open_table(path, name or str(path))
    return Predictions(
        ids=_ids(table),
        **_judged(table),  # type: ignore[arg-type]
        values={key: read_numbers(table, column) for key, column in _limited(table, "value:", MAX_VALUES).items()},
        groups=read_codes(table, "group")[0] if "group" in table.types else None,
        slices={
            key: read_texts(table, column, empty=_MISSING)
            for key, column in _limited(table, "slice:", MAX_SLICES).items()
        },
        images=Images.of(path, table.shown, table.rows) if "image" in table.types else None,
    )


def natural_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Labels by size where all are numbers, else so that `grade 10` comes after `grade 9`.

    >>> natural_order(["10", "9", "-1"]), natural_order(["b10", "b9"])
    (('-1', '9', '10'), ('b9', 'b10'))
    """
    found = set(labels)
    if all(re.fullmatch(r"[+-]?[0-9]{1,15}(\.[0-9]{1,15})?", label) for label in found):
        return tuple(sorted(found, key=lambda label: (float(label), label)))
    return tuple(sorted(found, key=lambda label: (_parts(label), label)))


def _parts(label: str) -> list[tuple[int, int, str]]:
    parts = (part for part in re.split(r"([0-9]{1,15})", label) if part)
    return [(0, int(part), "") if re.fullmatch("[0-9]+", part) else (1, 0, part) for part in parts]


def _ids(table: Table) -> np.ndarray:
    import numpy as np

    if "id" not in table.types:
        raise InputError(f'{table.shown} has no column "id": write one that names each test example.')
    codes, texts = read_codes(table, "id")
    if len(texts) < table.rows:
        counts = np.bincount(codes, minlength=len(texts))
        often = int(counts.argmax())
        raise InputError(
            f'{table.shown}: the id "{texts[often][:100]}" is in {counts[often]:,} rows: give each example its own.'
        )
    ids = np.array(texts, dtype=object)[codes]
    if "" in texts:
        raise InputError(f"{table.shown}: row {int(np.flatnonzero(ids == '')[0]) + 1} has an empty id: fill it in.")
    return ids


def _limited(table: Table, prefix: str, limit: int) -> dict[str, str]:
    columns = table.named(prefix)
    if len(columns) > limit:
        raise InputError(f'{table.shown} has {len(columns):,} columns "{prefix}...", more than {limit}: write fewer.')
    return columns


def _judged(table: Table) -> dict[str, object]:
    """kind, labels, targets, predictions and scores."""
    scored, valued = table.named("score:"), table.named("value:")
    present = [column for column in ("target", "prediction") if column in table.types]
    if len(present) < 2:
        if present or scored or not valued:
            missing = "prediction" if present == ["target"] else "target"
            raise InputError(
                f'{table.shown} has no column "{missing}": write "target" and "prediction", or "value:<name>" alone.'
            )
        return {"kind": "values"}
    are_numbers = [is_number(table, column) and not is_whole(table, column) for column in present]
    if any(are_numbers) and not scored:
        if not all(is_number(table, column) for column in present):
            raise InputError(f'{table.shown}: of "target" and "prediction" one is numbers only: write both alike.')
        return {
            "kind": "regression",
            "targets": read_numbers(table, "target"),
            "predictions": read_numbers(table, "prediction"),
        }
    if valued and not scored and any(is_text(table, column) for column in present):
        return {
            "kind": "values",
            "targets": read_texts(table, "target", empty=_MISSING),
            "predictions": read_texts(table, "prediction", empty=_MISSING),
        }
    return _labelled(table, scored)


def _labelled(table: Table, scored: dict[str, str]) -> dict[str, object]:
    import numpy as np

    columns = {column: read_codes(table, column) for column in ("target", "prediction")}
    texts = {text for _, values in columns.values() for text in values}
    is_multiple = any((SEPARATOR in text or not text) and text not in scored for text in texts)
    used = {part for text in texts for part in text.split(SEPARATOR) if part} if is_multiple else texts
    if len(used | scored.keys()) > MAX_LABELS:
        raise InputError(
            f"{table.shown} has {len(used | scored.keys()):,} different labels, more than {MAX_LABELS:,}: "
            "if they are numbers, write them as numbers with decimals."
        )
    labels = natural_order(used | scored.keys())
    for label in labels if scored else ():
        if label not in scored:
            raise InputError(
                f'{table.shown} has the label "{label[:100]}" but no column "score:{label[:100]}": '
                "write the scores of every label, or none."
            )
    place = {label: number for number, label in enumerate(labels)}
    sides = {}
    for column, (codes, values) in columns.items():
        if is_multiple:
            matrix = np.zeros((len(values), len(labels)), dtype=bool)
            for row, text in enumerate(values):
                matrix[row, [place[part] for part in text.split(SEPARATOR) if part]] = True
            sides[column] = matrix[codes]
        else:
            sides[column] = np.array([place[text] for text in values], dtype=np.int64)[codes]
    return {
        "kind": "multi-label" if is_multiple else "classification",
        "labels": labels,
        "targets": sides["target"],
        "predictions": sides["prediction"],
        "scores": _scores(table, [scored[label] for label in labels], sum_to_one=not is_multiple) if scored else None,
    }


def _scores(table: Table, columns: Sequence[str], *, sum_to_one: bool) -> np.ndarray:
    import numpy as np

    if table.rows * len(columns) > MAX_SCORES:
        raise InputError(
            f"{table.shown} has {table.rows:,} rows of {len(columns):,} scores, more than {MAX_SCORES:,} in all: "
            "write fewer rows, or no scores."
        )
    scores = np.empty((table.rows, len(columns)))
    for number, column in enumerate(columns):
        given = read_numbers(table, column)
        outside = (given < -_RANGE_TOLERANCE) | (given > 1 + _RANGE_TOLERANCE)
        if outside.any():
            row = int(np.flatnonzero(outside)[0])
            raise InputError(
                f'{table.shown}: row {row + 1} of the column "{column}" is {given[row]:g}: '
                "write probabilities from 0 to 1."
            )
        scores[:, number] = np.clip(given, 0, 1)
    if sum_to_one:
        sums = scores.sum(axis=1)
        off = np.abs(sums - 1) > SUM_TOLERANCE
        if off.any():
            row = int(np.flatnonzero(off)[0])
            raise InputError(
                f"{table.shown}: the scores of row {row + 1} add up to {sums[row]:.4g}, not to 1 within "
                f'{SUM_TOLERANCE:g}: write probabilities; labels of examples that have several go with "|" between.'
            )
    return scores

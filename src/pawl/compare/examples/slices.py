"""The same comparison on parts of the test set: every value of every `slice:<name>` column by itself."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from pawl.compare.data.columns import fit
from pawl.compare.statistics.differences import Difference, compare_pairs, holm
from pawl.compare.statistics.pairing import Pair
from pawl.schema import MAX_SLICES, MetricVerdict, SliceComparison

if TYPE_CHECKING:
    import numpy as np

MIN_EXAMPLES = 10
_SIGNIFICANT = 0.05
_MANY_VALUES = 20
_WORST_FIRST: tuple[MetricVerdict, ...] = ("worse", "no measurable change", "better")


def slices(pair: Pair, metric: str) -> tuple[SliceComparison, ...]:
    """One metric on each slice of at least 10 examples, the worst first.

    A column of numbers with more than 20 different ones is cut at its quartiles. Of more than 200 slices the largest
    are compared, chosen before anything is. Verdicts go by Holm's method over all slices; a slice on which the metric
    has no meaning, such as AUROC of one class, is left out.
    """
    compared = [(part, found) for part in _parts(pair) for found in compare_pairs(pair.take(part[2]), [metric])]
    corrected = holm([found.p_value for _, found in compared])
    result = [
        _comparison(column, value, found, p_corrected)
        for ((column, value, _), found), p_corrected in zip(compared, corrected, strict=True)
    ]
    losses = [-found.difference if found.direction == "higher" else found.difference for _, found in compared]
    order = sorted(range(len(result)), key=lambda i: (_WORST_FIRST.index(result[i].verdict), -losses[i]))
    return tuple(result[i] for i in order)


def _parts(pair: Pair) -> list[tuple[str, str, np.ndarray]]:
    """(column, value, rows) of the slices, the largest first; head says what an example is, base where head does not.

    A column with one value for all is no slice.
    """
    import numpy as np

    columns = {name: _cut(texts) for name, texts in (pair.base.slices | pair.head.slices).items()}
    sizes: list[tuple[int, str, str, int]] = []
    for name, (codes, values) in columns.items():
        counts = np.bincount(codes, minlength=len(values))
        enough = np.flatnonzero((counts >= MIN_EXAMPLES) & (counts < len(codes)))
        sizes.extend((-int(counts[code]), name, values[code], int(code)) for code in enough)
    return [
        (name, value, np.flatnonzero(columns[name][0] == code)) for _, name, value, code in sorted(sizes)[:MAX_SLICES]
    ]


def _cut(texts: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """(N,) texts as places in a list of different ones; many different numbers become the quarters they lie in.

    One text that is no number, such as that of a missing value, may be among them.
    """
    import numpy as np
    import pyarrow as pa

    array = pa.array(texts, pa.string()).dictionary_encode()
    codes, distinct = np.asarray(array.indices, np.int64), array.dictionary.to_pylist()
    numbers = np.array([_number(text) for text in distinct])
    is_number = np.isfinite(numbers)
    if is_number.sum() <= _MANY_VALUES or (~is_number).sum() > 1:
        return codes, distinct
    values = numbers[codes]
    ends = np.unique(np.quantile(values[np.isfinite(values)], [0.25, 0.5, 0.75]))
    names = [f"up to {ends[0]:g}", *(f"{low:g} to {high:g}" for low, high in pairwise(ends)), f"above {ends[-1]:g}"]
    rest = [text for text, known in zip(distinct, is_number, strict=True) if not known]
    return np.where(np.isfinite(values), np.searchsorted(ends, values), len(names)), [*names, *rest]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _comparison(column: str, value: str, found: Difference, p_corrected: float) -> SliceComparison:
    verdict: MetricVerdict = "no measurable change"
    if p_corrected < _SIGNIFICANT:
        verdict = "better" if (found.difference > 0) == (found.direction == "higher") else "worse"
    return SliceComparison(
        column=fit(column),
        value=fit(value),
        examples=found.examples,
        metric=fit(found.name),
        base=found.base,
        head=found.head,
        difference=found.difference,
        lower=found.lower,
        upper=found.upper,
        p_corrected=p_corrected,
        verdict=verdict,
    )

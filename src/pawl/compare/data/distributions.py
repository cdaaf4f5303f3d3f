"""Whether classes, numeric labels and properties of the examples are distributed alike on both sides.

Most examples of head are base's, so the sides are not independent samples as the tests assume: the p-values are larger
than they might be, never smaller.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pawl.compare.data.columns import LABEL_SEPARATOR, Codes, Examples, fit
from pawl.compare.files import natural
from pawl.schema import MAX_CLASSES, MAX_SPLITS, ClassCount, Shift, SplitDifference

if TYPE_CHECKING:
    import numpy as np

_USUAL_ORDER = ("all", "train", "training", "validation", "valid", "val", "dev", "test", "testing")
_MAX_SHIFTS = 20
_LARGEST_EXACT = 500
_UNITS = {"width": "width in pixels", "height": "height in pixels"}


@dataclass(frozen=True)
class Classes:
    """What the distinct labels mean: each names classes, or is a number."""

    names: list[str]
    of_label: np.ndarray
    """(M,) places in the codes' values: row m says that a label ..."""
    of_class: np.ndarray
    """... has this class, a place in `names`."""
    multi_label: bool
    numbers: np.ndarray | None
    """(V,) float64 where labels are measurements instead of classes."""


def classes_of(labels: Codes) -> Classes:
    """The classes behind the distinct labels; with several in one label, whatever their order."""
    import numpy as np

    numbers = _measurements(labels.values)
    texts: list[str] = [] if numbers is not None else labels.values.to_pylist()
    multi_label = any(LABEL_SEPARATOR in text for text in texts)
    number_of: dict[str, int] = {}
    pairs: list[tuple[int, int]] = []
    for place, text in enumerate(texts):
        parts = filter(None, dict.fromkeys(text.split(LABEL_SEPARATOR))) if multi_label else (text,)
        pairs.extend((place, number_of.setdefault(part, len(number_of))) for part in parts)
    members = np.array(pairs, np.int64).reshape(-1, 2)
    # Where no example has a label, as in a segmentation, there are no classes to count.
    if list(number_of) == [""]:
        number_of, members = {}, members[:0]
    return Classes(list(number_of), members[:, 0], members[:, 1], multi_label, numbers)


def split_differences(splits: Codes, labels: Codes, classes: Classes) -> tuple[SplitDifference, ...]:
    """Every split on both sides: train, validation and test in this order, and others by their names."""
    names: list[str] = splits.values.to_pylist()
    order = sorted(range(len(names)), key=lambda place: _split_rank(names[place]))
    return tuple(
        _split_difference(names[place], labels.base[splits.base == place], labels.head[splits.head == place], classes)
        for place in order[:MAX_SPLITS]
    )


def shifts(base: Examples, head: Examples) -> tuple[Shift, ...]:
    """The numeric columns of both sides whose distributions are not equal, the clearest difference first."""
    import numpy as np

    found = []
    for name in base.numbers.keys() & head.numbers.keys():
        one, other = (side.numbers[name] for side in (base, head))
        one, other = one[np.isfinite(one)], other[np.isfinite(other)]
        distance, p_value = kolmogorov_smirnov(one, other)
        means = [float(values.mean()) for values in (one, other)]
        if distance > 0 and all(map(math.isfinite, means)):
            what = _UNITS.get(name.lower(), fit(name).replace("_", " "))
            found.append(Shift(what=what, base_mean=means[0], head_mean=means[1], distance=distance, p_value=p_value))
    return tuple(sorted(found, key=lambda shift: (shift.p_value, -shift.distance, shift.what))[:_MAX_SHIFTS])


def chi_square(base: np.ndarray, head: np.ndarray) -> tuple[float, float] | None:
    """(p-value, Cramér's V) of equal shares: (K,) counts of each side; None where there is nothing to compare.

    Pearson's test without a correction for continuity; Cramér 1946, Mathematical Methods of Statistics.
    """
    import numpy as np
    from scipy.stats import chi2_contingency

    table = np.array([base, head])[:, (base + head) > 0]
    if table.shape[1] < 2 or not table.sum(axis=1).all():
        return None
    result = chi2_contingency(table, correction=False)
    return float(result.pvalue), math.sqrt(float(result.statistic) / table.sum())


def chi_square_of_each(base: np.ndarray, head: np.ndarray, n_base: int, n_head: int) -> tuple[float, float] | None:
    """(p-value, Cramér's V) where an example may have several classes: those of the class that differs most.

    base, head: (K,) how many of the `n_base` and `n_head` examples have each class. The classes of one example hang
    together, so each is tested by itself, has it or not, and the least p-value is multiplied by their number
    (Bonferroni).
    """
    import numpy as np
    from scipy.stats import chi2

    if not n_base or not n_head:
        return None
    total, having = n_base + n_head, base + head
    varies = (having > 0) & (having < total)
    if not varies.any():
        return None
    cross = base[varies] * (n_head - head[varies]) - head[varies] * (n_base - base[varies])
    margins = having[varies] * (total - having[varies]) * (float(n_base) * n_head)
    statistic = float((np.square(cross.astype(np.float64)) * total / margins).max())
    return min(1.0, float(chi2.sf(statistic, 1)) * int(varies.sum())), math.sqrt(statistic / total)


def kolmogorov_smirnov(base: np.ndarray, head: np.ndarray) -> tuple[float, float]:
    """(distance, p-value) of equal distributions: (N,) and (M,) finite numbers, at least one each."""
    from scipy.stats import ks_2samp

    method = "exact" if max(len(base), len(head)) <= _LARGEST_EXACT else "asymp"
    with warnings.catch_warnings():
        # Where the exact way fails for want of precision, SciPy says so and takes the other.
        warnings.simplefilter("ignore", RuntimeWarning)
        result = ks_2samp(base, head, method=method)
    return float(result.statistic), float(result.pvalue)


def _split_difference(name: str, base: np.ndarray, head: np.ndarray, classes: Classes) -> SplitDifference:
    """base, head: (N,) codes of the labels of the split's examples, -1 where there is none."""
    n_base, n_head = len(base), len(head)
    base, head = base[base >= 0], head[head >= 0]
    if classes.numbers is not None:
        comparable = len(base) and len(head)
        p_value = kolmogorov_smirnov(classes.numbers[base], classes.numbers[head])[1] if comparable else None
        test: Literal["Kolmogorov-Smirnov"] | None = "Kolmogorov-Smirnov" if comparable else None
        return SplitDifference(split=fit(name), base=n_base, head=n_head, test=test, p_value=p_value)
    on_base, on_head = _class_counts(base, classes), _class_counts(head, classes)
    if classes.multi_label:
        tested = chi_square_of_each(on_base, on_head, len(base), len(head))
    else:
        tested = chi_square(on_base, on_head)
    return SplitDifference(
        split=fit(name),
        base=n_base,
        head=n_head,
        classes=_shown_counts(on_base, on_head, classes.names),
        test="chi-square" if tested else None,
        p_value=tested[0] if tested else None,
        cramers_v=tested[1] if tested else None,
    )


def _shown_counts(base: np.ndarray, head: np.ndarray, names: list[str]) -> tuple[ClassCount, ...]:
    """The commonest classes of a split, in the order of their names."""
    commonest = (-(base + head)).argsort(kind="stable")[:MAX_CLASSES]
    shown = sorted((k for k in commonest if base[k] + head[k]), key=lambda k: natural(names[k][:200]))
    return tuple(ClassCount(label=fit(names[k]), base=int(base[k]), head=int(head[k])) for k in shown)


def _class_counts(labels: np.ndarray, classes: Classes) -> np.ndarray:
    """(K,) how many examples have each class."""
    import numpy as np

    n_labels = int(classes.of_label.max(initial=-1)) + 1
    per_label = np.bincount(labels, minlength=n_labels)
    counts: np.ndarray = np.zeros(len(classes.names), np.int64)
    np.add.at(counts, classes.of_class, per_label[classes.of_label])
    return counts


def _measurements(values: Any) -> np.ndarray | None:
    """The labels as numbers where they are measurements: many different ones, and not the numbers of classes."""
    import numpy as np
    import pyarrow as pa

    if len(values) <= 20:
        return None
    try:
        numbers: np.ndarray = values.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return None
    if not np.isfinite(numbers).all():
        return None
    whole = bool((numbers == np.floor(numbers)).all())
    # Class numbers are few, or count on from 0 or 1 without a gap.
    counted = numbers.min() in (0, 1) and numbers.max() - numbers.min() + 1 == len(numbers)
    return None if whole and (len(numbers) <= MAX_CLASSES or counted) else numbers


def _split_rank(name: str) -> tuple[int, Any]:
    known = _USUAL_ORDER.index(name.lower()) if name.lower() in _USUAL_ORDER else len(_USUAL_ORDER)
    return known, natural(name[:200])

"""The examples of a side as columns, and a column of both sides as whole numbers, so that millions compare quickly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from pawl.schema import MAX_NAMES

if TYPE_CHECKING:
    import numpy as np

LABEL_SEPARATOR = "|"
"""Between the classes of one example that has several."""
_MAX_CHARACTERS = 200


@dataclass(frozen=True)
class Examples:
    """One row an example; a column is an arrow array of texts, None where the side has no such column."""

    ids: Any
    """Unique."""
    splits: Any = None
    labels: Any = None
    """The class, several joined by `|`, or a number; null where an example belongs to none."""
    digests: Any = None
    """Of the content; null where it is not known."""
    numbers: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Further columns of numbers, such as `width`: (N,) float64, NaN where a cell is empty."""


@dataclass(frozen=True)
class Codes:
    """One column of both sides: `values[code]` is the text, -1 stands for none."""

    base: np.ndarray
    head: np.ndarray
    values: Any
    """Arrow array of the distinct texts."""


def codes_of(base: Examples, head: Examples, column: str) -> Codes:
    """Number the texts of a column of both sides; a side without the column has -1 throughout."""
    import numpy as np
    import pyarrow as pa

    sides = [getattr(side, column) for side in (base, head)]
    arrays = [
        pa.nulls(len(examples.ids), pa.string()) if side is None else side
        for side, examples in zip(sides, (base, head), strict=True)
    ]
    both = pa.concat_arrays(arrays).dictionary_encode()
    numbers = np.asarray(both.indices.fill_null(-1).to_numpy(zero_copy_only=False), np.int64)
    n_base = len(base.ids)
    return Codes(numbers[:n_base], numbers[n_base:], both.dictionary)


def in_one_order(codes: Codes) -> Codes:
    """The same, with texts that join the same parts in another order counted as one text."""
    import numpy as np
    import pyarrow as pa

    texts = codes.values.to_pylist()
    place_of: dict[str, int] = {}
    ordered = (
        LABEL_SEPARATOR.join(sorted(text.split(LABEL_SEPARATOR))) if LABEL_SEPARATOR in text else text for text in texts
    )
    places = np.array([*(place_of.setdefault(text, len(place_of)) for text in ordered), -1])
    return Codes(places[codes.base], places[codes.head], pa.array(list(place_of), pa.string()))


def occurs_in(codes: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(M,) bool: whether each of `wanted` (M,) is among `codes` (N,); both at least -1."""
    import numpy as np

    seen = np.zeros(int(max(codes.max(initial=-1), wanted.max(initial=-1))) + 2, bool)
    seen[codes + 1] = True
    found: np.ndarray = seen[wanted + 1]
    return found


def no_examples() -> Examples:
    """A side that has no such data."""
    import pyarrow as pa

    return Examples(pa.array([], pa.string()))


def names_at(texts: Any, rows: Iterable[int]) -> tuple[str, ...]:
    """The first texts of an arrow array at these rows, cut to size."""
    return tuple(fit(texts[int(row)].as_py()) for row in islice(rows, MAX_NAMES))


def fit(text: str) -> str:
    """The text, or its beginning where it is longer than anybody reads."""
    return text if len(text) <= _MAX_CHARACTERS else f"{text[: _MAX_CHARACTERS - 1]}…"

"""What a training curve says without a picture: its shape, and its first, best and last values."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pawl.report.numbers import show_number
from pawl.schema import Curve, Series

_BARS = "▁▂▃▄▅▆▇█"
_LOWER = {"loss", "error", "err", "mae", "mse", "rmse", "perplexity", "distance", "nll", "entropy", "deviance"}
_HIGHER = {
    "accuracy",
    "acc",
    "f1",
    "auc",
    "auroc",
    "precision",
    "recall",
    "dice",
    "iou",
    "kappa",
    "qwk",
    "score",
    "map",
    "r2",
}
MOST_BARS = 20


@dataclass(frozen=True)
class CurveText:
    """One side of one curve; `best` is empty where nothing says which way is better."""

    shape: str
    first: str
    best: str
    last: str
    steps: int


def better_is(name: str) -> str:
    """`lower`, `higher` or `unknown`, from the words of a history's name.

    >>> better_is("val/loss"), better_is("val_accuracy"), better_is("learning_rate")
    ('lower', 'higher', 'unknown')
    """
    words = set(re.split(r"[^a-z0-9]+", name.lower()))
    if words & _LOWER:
        return "lower"
    return "higher" if words & _HIGHER else "unknown"


def sparkline(values: Sequence[float], low: float, high: float, most_bars: int = MOST_BARS) -> str:
    """The shape of `values` between `low` and `high` in at most `most_bars` characters, each the mean of its part."""
    if not values:
        return ""
    bars = min(len(values), most_bars)
    shape = []
    for i in range(bars):
        part = values[i * len(values) // bars : (i + 1) * len(values) // bars]
        mean = sum(v / len(part) for v in part)
        # Halves, because the span of two finite numbers can overflow.
        span = high / 2 - low / 2
        share = (mean / 2 - low / 2) / span if span > 0 else 0.5
        shape.append(_BARS[round(min(1.0, max(0.0, share)) * (len(_BARS) - 1))])
    return "".join(shape)


def _points(series: Series | None) -> list[tuple[float, float]]:
    return list(zip(series.steps, series.values, strict=False)) if series else []


def curve_texts(curve: Curve) -> tuple[CurveText | None, CurveText | None]:
    """Base and head of a curve on one scale; None for a side without points."""
    sides = [_points(curve.base), _points(curve.head)]
    values = [value for side in sides for _, value in side if math.isfinite(value)]
    if not values:
        return None, None
    low, high = min(values), max(values)
    direction = better_is(curve.name)
    texts: list[CurveText | None] = []
    for side in sides:
        if not side:
            texts.append(None)
            continue
        best = ""
        if direction != "unknown":
            step, value = (min if direction == "lower" else max)(side, key=lambda point: point[1])
            best = f"{show_number(value)} (step {show_number(step)})"
        numbers = [value for _, value in side]
        shape = sparkline(numbers, low, high)
        texts.append(CurveText(shape, show_number(numbers[0]), best, show_number(numbers[-1]), len(side)))
    return texts[0], texts[1]

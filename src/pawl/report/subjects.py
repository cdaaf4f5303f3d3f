"""Which pictures a comparison has, and what each is called, without drawing one."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Literal

from pawl.report.confusion import usable
from pawl.report.drawing import MOST_CLASSES, stem
from pawl.report.escape import one_line
from pawl.schema import Comparison, Flip, MetricComparison, Series, SplitDifference

Kind = Literal["forest", "curves", "confusion", "reliability", "flips", "classes"]

MOST_OF_A_KIND = 8
MOST_THUMBNAIL_PIXELS = 512
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Subject:
    """What a picture shows: `key` is the group of curves, or the place in the comparison's list."""

    kind: Kind
    key: str
    stem: str
    title: str


def points(series: Series | None) -> list[tuple[float, float]]:
    """The points of a history that a scale can hold."""
    if series is None:
        return []
    both = zip(series.steps, series.values, strict=False)
    return [(x, y) for x, y in both if abs(x) < 1e300 and abs(y) < 1e300]


def has_interval(metric: MetricComparison) -> bool:
    """Whether there is anything to draw of a metric beside its numbers."""
    return None not in (metric.lower, metric.upper, metric.difference)


def drawable_thumbnail(flip: Flip) -> bool:
    """Whether the thumbnail is a PNG of a modest size: a small file can hold a picture that fills the memory."""
    try:
        start = base64.b64decode((flip.thumbnail or "")[:44], validate=True)
    except binascii.Error:
        return False
    width, height = int.from_bytes(start[16:20], "big"), int.from_bytes(start[20:24], "big")
    return (
        start[:8] == _PNG
        and start[12:16] == b"IHDR"
        and 0 < width <= MOST_THUMBNAIL_PIXELS
        and 0 < height <= MOST_THUMBNAIL_PIXELS
    )


def drawable_splits(splits: tuple[SplitDifference, ...]) -> list[SplitDifference]:
    """The splits whose classes can be drawn."""
    return [split for split in splits if split.classes and len(split.classes) <= MOST_CLASSES]


def _wanted(comparison: Comparison) -> list[tuple[Kind, str, str]]:
    """(kind, key, name), at most `MOST_OF_A_KIND` of each kind."""
    groups = dict.fromkeys(c.group for c in comparison.curves if points(c.base) or points(c.head))
    found: dict[Kind, list[tuple[str, str]]] = {
        "forest": [("", "")] if any(has_interval(metric) for metric in comparison.metrics) else [],
        "curves": [(group, group) for group in groups],
        "confusion": [
            (str(i), c.name) for i, c in enumerate(comparison.confusions) if usable(c) and len(c.labels) <= MOST_CLASSES
        ],
        "reliability": [(str(i), e.name) for i, e in enumerate(comparison.evidence) if e.reliability],
        "flips": [
            (str(i), e.name)
            for i, e in enumerate(comparison.evidence)
            if e.flips and any(drawable_thumbnail(flip) for flip in e.flips.shown)
        ],
        "classes": [(str(i), d.name) for i, d in enumerate(comparison.data) if drawable_splits(d.splits)],
    }
    return [(kind, key, name) for kind, items in found.items() for key, name in items[:MOST_OF_A_KIND]]


_TITLES = {
    "forest": "Every metric's difference with its 95 % interval",
    "curves": "Training curves of {}",
    "confusion": "Confusion matrix of {}",
    "reliability": "Reliability of {}",
    "flips": "Examples of {} that changed between right and wrong",
    "classes": "Classes in the data of {}",
}


def subjects(comparison: Comparison) -> list[Subject]:
    """Every picture of a comparison, in the order of the report."""
    found: list[Subject] = []
    for kind, key, name in _wanted(comparison):
        taken = [subject.stem for subject in found]
        found.append(Subject(kind, key, stem(kind, name, taken), _TITLES[kind].format(one_line(name, 60))))
    return found

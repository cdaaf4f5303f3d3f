"""The pictures of a comparison, made without a browser."""

from __future__ import annotations

from itertools import chain

from pawl.report.chart_classes import draw_classes
from pawl.report.chart_confusion import draw_confusion
from pawl.report.chart_curves import draw_curves
from pawl.report.chart_forest import draw_forest
from pawl.report.chart_reliability import draw_reliability
from pawl.report.drawing import BASE_COLOUR, HEAD_COLOUR, INK, Picture, stem
from pawl.report.flip_sheet import draw_flips
from pawl.report.subjects import Subject, subjects
from pawl.report.vega import Vega
from pawl.schema import Comparison

__all__ = ["BASE_COLOUR", "HEAD_COLOUR", "INK", "Drawing", "Picture", "draw_pictures", "stem"]

_CHARTS = {
    "forest": draw_forest,
    "curves": draw_curves,
    "confusion": draw_confusion,
    "reliability": draw_reliability,
    "classes": draw_classes,
}


def draw_pictures(comparison: Comparison) -> list[Picture]:
    """Every picture of a comparison, at most `subjects.MOST_OF_A_KIND` of each kind."""
    return Drawing(comparison, Vega(beside=False)).pictures()


class Drawing:
    """The pictures of a comparison, which Vega is at work on from the beginning if it has a process of its own."""

    def __init__(self, comparison: Comparison, vega: Vega) -> None:
        self._comparison = comparison
        self._subjects = subjects(comparison)
        wanted = [subject for subject in self._subjects if subject.kind in _CHARTS]
        svgs = vega.draw_all([_CHARTS[subject.kind](comparison, subject) for subject in wanted])
        self._charts = zip(wanted, svgs, strict=True)

    def pictures(self) -> list[Picture]:
        """All of them, in the order of the report; to be called once."""
        sheets = ((s, draw_flips(self._comparison, s)) for s in self._subjects if s.kind == "flips")
        made = {subject.stem: _picture(subject, svg) for subject, svg in chain(sheets, self._charts)}
        return [made[subject.stem] for subject in self._subjects]


def _picture(subject: Subject, svg: str) -> Picture:
    import vl_convert

    return Picture(subject.stem, subject.title, svg, vl_convert.svg_to_png(svg, scale=2))

"""The pictures of a comparison, made without a browser."""

from __future__ import annotations

from pawl.report.chart_classes import draw_classes
from pawl.report.chart_confusion import draw_confusion
from pawl.report.chart_curves import draw_curves
from pawl.report.chart_forest import draw_forest
from pawl.report.chart_reliability import draw_reliability
from pawl.report.drawing import BASE_COLOUR, HEAD_COLOUR, INK, Picture, stem
from pawl.report.flip_sheet import draw_flips
from pawl.report.subjects import subjects
from pawl.schema import Comparison

__all__ = ["BASE_COLOUR", "HEAD_COLOUR", "INK", "Picture", "draw_pictures", "stem"]

_DRAW = {
    "forest": draw_forest,
    "curves": draw_curves,
    "confusion": draw_confusion,
    "reliability": draw_reliability,
    "flips": draw_flips,
    "classes": draw_classes,
}


def draw_pictures(comparison: Comparison) -> list[Picture]:
    """Every picture of a comparison, at most `subjects.MOST_OF_A_KIND` of each kind.

    The first one costs about a second, to start the drawing engine.
    """
    wanted = subjects(comparison)
    if not wanted:
        return []

    from altair.utils.schemapi import debug_mode

    # The specifications come from this package alone; checking each part of them would cost as much as drawing.
    with debug_mode(False):
        return [_DRAW[subject.kind](comparison, subject) for subject in wanted]

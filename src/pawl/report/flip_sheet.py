"""A contact sheet of the examples that changed between right and wrong."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from pawl.report.drawing import BETTER_COLOUR, FONT, GRID, INK, WORSE_COLOUR
from pawl.report.escape import one_line
from pawl.report.numbers import show_count
from pawl.report.subjects import Subject, drawable_thumbnail
from pawl.schema import Comparison, Flip

MOST_BROKEN = 18
MOST_FIXED = 6
COLUMNS = 6
_CELL, _IMAGE, _CAPTION, _HEADING, _MARGIN = 132, 112, 52, 34, 10


def _text(x: float, y: float, words: str, colour: str = INK, size: int = 11, weight: str = "normal") -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" fill="{colour}" font-size="{size}" font-weight="{weight}" '
        f'font-family="{FONT}">{escape(words)}</text>'
    )


def _cell(flip: Flip, x: float, y: float) -> list[str]:
    lines = [
        one_line(flip.id, 20),
        f"target {one_line(flip.target, 13)}",
        f"{one_line(flip.base, 9)} → {one_line(flip.head, 9)}",
    ]
    return [
        f'<rect x="{x:g}" y="{y:g}" width="{_IMAGE}" height="{_IMAGE}" fill="none" stroke="{GRID}"/>',
        # An image of few pixels is shown as it is, not smoothed.
        f'<image x="{x:g}" y="{y:g}" width="{_IMAGE}" height="{_IMAGE}" image-rendering="optimizeSpeed" '
        f'preserveAspectRatio="xMidYMid" href="data:image/png;base64,{flip.thumbnail}"/>',
        *(_text(x, y + _IMAGE + 14 + 14 * i, line) for i, line in enumerate(lines)),
    ]


def _block(title: str, colour: str, flips: Sequence[Flip], top: float) -> tuple[list[str], float]:
    """The elements of one kind, and where they end."""
    if not flips:
        return [], top
    made = [_text(_MARGIN, top + 20, title, colour, 13, "600")]
    top += _HEADING
    for i, flip in enumerate(flips):
        row, column = divmod(i, COLUMNS)
        made += _cell(flip, _MARGIN + column * _CELL, top + row * (_IMAGE + _CAPTION + 8))
    return made, top + (1 + (len(flips) - 1) // COLUMNS) * (_IMAGE + _CAPTION + 8)


def draw_flips(comparison: Comparison, subject: Subject) -> str:
    """As SVG the most confident of those that have a thumbnail: newly wrong ones, then newly right ones."""
    flips = comparison.evidence[int(subject.key)].flips
    shown = [flip for flip in flips.shown if drawable_thumbnail(flip)] if flips else []
    broken = [flip for flip in shown if flip.kind == "broken"][:MOST_BROKEN]
    fixed = [flip for flip in shown if flip.kind == "fixed"][:MOST_FIXED]
    counts = (flips.broken, flips.fixed) if flips else (0, 0)
    made, top = _block(f"Newly wrong: {len(broken)} of {show_count(counts[0])}", WORSE_COLOUR, broken, 0)
    more, top = _block(f"Newly right: {len(fixed)} of {show_count(counts[1])}", BETTER_COLOUR, fixed, top)
    width, height = COLUMNS * _CELL + 2 * _MARGIN, top + _MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height:g}" viewBox="0 0 {width} {height:g}">'
        f"{''.join(made + more)}</svg>"
    )

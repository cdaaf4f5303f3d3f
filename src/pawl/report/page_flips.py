"""The gallery of examples that one side has right and the other wrong, bounded in size."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from pawl.report.escape import one_line
from pawl.report.intervals import show_p
from pawl.report.numbers import show_count, show_number
from pawl.report.subjects import drawable_thumbnail
from pawl.schema import Comparison, Evidence, Flip, FlipCount, McNemarTest

MOST_CARDS = 300
MOST_THUMBNAILS = 60
MOST_COUNT_ROWS = 300
MOST_TINY_PIXELS = 32


def _picture(flip: Flip) -> dict[str, Any] | None:
    """The thumbnail for an `img`: the pixels of a small one stay square and sharp."""
    if flip.thumbnail is None or not drawable_thumbnail(flip):
        return None
    width = int.from_bytes(base64.b64decode(flip.thumbnail[:32])[16:20], "big")
    return {"address": f"data:image/png;base64,{flip.thumbnail}", "tiny": width <= MOST_TINY_PIXELS}


def _sure(confidence: float | None) -> str:
    if confidence is None:
        return ""
    return f"{confidence:.2f}" if 0 <= confidence <= 1 else show_number(confidence, 2)


def _natural(text: str) -> tuple[bool, int, str]:
    """Whole numbers by their value, before everything else."""
    number = int(text) if text.isascii() and text.isdecimal() else None
    return (number is None, number or 0, text)


def _numbered(cards: Sequence[dict[str, Any]], what: str) -> list[str]:
    """The distinct texts under `what`, whose places are put into the cards: a filter compares these, not texts."""
    choices = sorted({card[what] for card in cards}, key=_natural)
    places = {choice: place for place, choice in enumerate(choices)}
    for card in cards:
        card[f"{what}_place"] = places[card[what]]
    return choices


def _shown(evidence: Sequence[Evidence]) -> list[tuple[Evidence, Flip]]:
    """The flips of all tasks, in turns, so that one task does not use up the room of the others."""
    queues = [(one, list(one.flips.shown)) for one in evidence if one.flips and one.flips.shown]
    turns = max((len(flips) for _, flips in queues), default=0)
    return [(one, flips[i]) for i in range(turns) for one, flips in queues if i < len(flips)]


def _card(evidence: Evidence, flip: Flip) -> dict[str, Any]:
    wrong, confidence = (
        (flip.head, flip.head_confidence) if flip.kind == "broken" else (flip.base, flip.base_confidence)
    )
    return {
        "kind": flip.kind,
        "task": one_line(evidence.name, 60),
        "id": one_line(flip.id, 120),
        "target": one_line(flip.target, 80),
        "mistaken": one_line(wrong, 80),
        "base": one_line(flip.base, 80),
        "head": one_line(flip.head, 80),
        "base_confidence": _sure(flip.base_confidence),
        "head_confidence": _sure(flip.head_confidence),
        "confidence": "" if confidence is None else min(1.0, max(0.0, confidence)),
        "group": None if flip.group is None else one_line(flip.group, 80),
        "thumbnail": None,
    }


def _cards(evidence: Sequence[Evidence]) -> dict[str, Any]:
    chosen = _shown(evidence)
    cards = []
    pictures = left_out = refused = 0
    for one, flip in chosen[:MOST_CARDS]:
        card = _card(one, flip)
        if flip.thumbnail is not None and pictures == MOST_THUMBNAILS:
            left_out += 1
        elif flip.thumbnail is not None:
            card["thumbnail"] = _picture(flip)
            pictures += card["thumbnail"] is not None
            refused += card["thumbnail"] is None
        cards.append(card)
    # The surest mistakes first, as the gallery's own order has it, and those that head made above those it mended.
    cards.sort(key=lambda card: (card["kind"] != "broken", -(card["confidence"] or 0.0)))
    choices = {what: _numbered(cards, what) for what in ("task", "target", "mistaken")}
    return {
        "cards": cards,
        "choices": choices,
        "pictures_left_out": left_out,
        "pictures_refused": refused,
    }


def _mcnemar(test: McNemarTest | None) -> str:
    if test is None:
        return ""
    return (
        f"McNemar's exact test of equal accuracy: {show_count(test.only_base_right)} only base has right, "
        f"{show_count(test.only_head_right)} only head has right, {show_p(test.p_value)}."
    )


def _count_row(evidence: Evidence, count: FlipCount) -> dict[str, Any]:
    net = count.fixed - count.broken
    return {
        "task": one_line(evidence.name, 60),
        "label": one_line(count.label, 60),
        "examples": (show_count(count.examples), count.examples),
        "broken": (show_count(count.broken), count.broken),
        "fixed": (show_count(count.fixed), count.fixed),
        "net": (("+" if net > 0 else "") + show_count(net), net),
    }


def flip_parts(comparison: Comparison) -> dict[str, Any]:
    """Counts per class, the gallery's cards, and what its filters choose from."""
    with_flips = [(one, one.flips) for one in comparison.evidence if one.flips is not None]
    counts = [(one, count) for one, flips in with_flips for count in flips.per_label]
    counts.sort(key=lambda item: item[1].fixed - item[1].broken)
    gallery = _cards([one for one, _ in with_flips])
    not_shown = sum(flips.broken + flips.fixed for _, flips in with_flips) - len(gallery["cards"])
    return {
        "flip_totals": [
            {
                "task": one_line(one.name, 60),
                "broken": show_count(flips.broken),
                "fixed": show_count(flips.fixed),
                "paired": show_count(one.paired),
                "mcnemar": _mcnemar(one.mcnemar),
            }
            for one, flips in with_flips
        ],
        "flip_counts": [_count_row(one, count) for one, count in counts[:MOST_COUNT_ROWS]],
        "flip_counts_more": len(counts) - MOST_COUNT_ROWS,
        "gallery": gallery,
        "flips_more": show_count(not_shown) if not_shown > 0 else "",
    }

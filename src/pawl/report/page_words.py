"""The three sentences of the verdict for a page: what is typed, and every name, is code; all of it is plain text."""

from __future__ import annotations

from typing import Any

from pawl.report.escape import one_line
from pawl.report.first_lines import LONGEST, Voice, by_how_much, how_sure, joined
from pawl.report.verdict import deciding_metrics
from pawl.report.ways_out import way_out
from pawl.schema import Comparison, Stages

_LOOK_ALIKE = "\u02cb"
"""For a backtick in what somebody else chose, because backticks are where the page's own code starts and ends."""


def _words(text: str, limit: int) -> str:
    return one_line(text, limit).replace("`", _LOOK_ALIKE)


def _name(text: str, limit: int) -> str:
    return f"`{_words(text, limit) or ' '}`"


PAGE = Voice(_words, _name)


def pieces(sentence: str) -> list[tuple[bool, str]]:
    """Whether it is code, and the text, for each part of a sentence in the voice `PAGE`.

    >>> pieces("run `pawl noise` first")
    [(False, 'run '), (True, 'pawl noise'), (False, ' first')]
    """
    return [(i % 2 == 1, text) for i, text in enumerate(sentence.split("`")) if text]


def verdict_parts(comparison: Comparison, stages: Stages | None) -> dict[str, Any]:
    """By how much, how sure, and what to do."""
    said = {
        "by_how_much": by_how_much(comparison, stages, PAGE),
        "how_sure": how_sure(comparison, PAGE),
        "what_to_do": joined(way_out(comparison, stages, _name), " ", LONGEST),
    }
    answers = {key: pieces(text[:1].upper() + text[1:]) for key, text in said.items()}
    return {**answers, "asked_first": "By how much" if deciding_metrics(comparison) else "What happened"}

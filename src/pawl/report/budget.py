"""Which sections a comment keeps when it would be too long: whole ones only, given up in a declared order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pawl.report.escape import utf16_units

COMMENT_LIMIT_UNITS = 65_536
"""The longest comment that GitHub takes, in UTF-16 units."""
LEAST_UNITS = 8_000
"""What the verdict and the footer can need at most, with the sentence that says what was left out."""


@dataclass(frozen=True)
class Section:
    """One part of the comment, in forms from the fullest to the shortest; an empty form leaves the part out."""

    name: str
    forms: tuple[str, ...]


def _joined(sections: Sequence[Section], chosen: dict[str, int], place: int) -> str:
    texts = [section.forms[chosen[section.name]] for section in sections]
    cut = [s.name for s in sections if chosen[s.name] and s.forms[chosen[s.name]]]
    gone = [s.name for s in sections if chosen[s.name] and not s.forms[chosen[s.name]]]
    said = [f"left out: {', '.join(gone)}"] if gone else []
    if cut:
        said.append(f"shortened: {', '.join(cut)}")
    if said:
        texts.insert(place, f"*To fit into a comment, {'; '.join(said)}. `report.html` has all of it.*")
    return "\n\n".join(text for text in texts if text) + "\n"


def fit(sections: Sequence[Section], shortened_first: Sequence[str], limit_units: int) -> str:
    """The sections joined by blank lines, within `limit_units` UTF-16 units.

    While it is too long, the next name of `shortened_first` goes to its next form; a name that stands there twice is
    shortened twice. The sentence about what is missing stands before the last section, the footer.
    Raises ValueError for a limit that not even the shortest forms keep.
    """
    chosen = {section.name: 0 for section in sections}
    forms = {section.name: len(section.forms) for section in sections}
    text = _joined(sections, chosen, len(sections) - 1)
    for name in shortened_first:
        if utf16_units(text) <= limit_units:
            break
        if name in chosen and chosen[name] + 1 < forms[name]:
            chosen[name] += 1
            text = _joined(sections, chosen, len(sections) - 1)
    if utf16_units(text) > limit_units:
        raise ValueError(f"a comment of {limit_units} UTF-16 units cannot hold the verdict")
    return text

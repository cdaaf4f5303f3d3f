"""Pictures in the comment: only those that have a public address, because GitHub shows no others."""

from __future__ import annotations

from collections.abc import Mapping

from pawl.report.escape import prose, safe_address
from pawl.report.subjects import Kind, subjects
from pawl.schema import Comparison

Lines = Mapping[tuple[Kind, str], str]
"""(kind, key) of a subject -> the Markdown that shows it."""


def picture_lines(comparison: Comparison, addresses: Mapping[str, str]) -> Lines:
    """The pictures whose stem has an https address in `addresses`; what is not there is told as text."""
    found = {}
    for subject in subjects(comparison):
        address = safe_address(addresses.get(subject.stem))
        if address and address.startswith("https://"):
            found[subject.kind, subject.key] = f"![{prose(subject.title, 100)}]({address})"
    return found

"""The shapes of Markdown that the comment is made of. All cells and texts are escaped already."""

from __future__ import annotations

from collections.abc import Sequence

_RULES = {"l": ":--", "r": "--:", "c": ":-:"}


def table(header: Sequence[str], align: str, rows: Sequence[Sequence[str]]) -> str:
    """A table; `align` has one of `l`, `r`, `c` per column."""
    lines = [header, [_RULES[a] for a in align], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def folded(summary: str, body: str) -> str:
    """A section that opens on a click; `summary` is HTML."""
    return f"<details>\n<summary>{summary}</summary>\n\n{body}\n\n</details>"


def bullets(items: Sequence[str]) -> str:
    """A list, one line per item."""
    return "\n".join(f"- {item}" for item in items)


def unbroken(text: str) -> str:
    """`text` that stays on one line of its cell."""
    return text.replace(" ", "\u00a0")

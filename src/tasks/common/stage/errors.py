"""The error that a user can cause, and the words it is told in."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

EXIT_INPUT = 2


class TaskError(Exception):
    """One sentence: what is wrong, where, and what to do. Ends a stage with exit code 2."""


def nearest(word: str, known: Iterable[str]) -> str:
    """A clause that names the known word nearest to `word`, or lists the known ones.

    >>> nearest("digitz", ["digits", "tabular"])
    'did you mean "digits"?'
    """
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f'did you mean "{close[0]}"?'
    return f"known: {', '.join(names[:20])}"

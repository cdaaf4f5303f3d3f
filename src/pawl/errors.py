"""The errors that a user can cause or meet, each with the exit code it ends the program with."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

EXIT_GATE = 1
EXIT_INPUT = 2
EXIT_STAGE = 3
EXIT_SERVICE = 4
EXIT_INTERRUPTED = 130


class PawlError(Exception):
    """One sentence: what is wrong, where, and what to do. Raise a subclass."""

    exit_code = EXIT_INPUT


class InputError(PawlError):
    """Something that the user gave (a file, an option, a repository) cannot be used as it is."""

    exit_code = EXIT_INPUT


class ServiceError(PawlError):
    """A service that the command cannot do without (GitHub, a remote) did not do its part."""

    exit_code = EXIT_SERVICE


def nearest(word: str, known: Iterable[str]) -> str:
    """A clause naming the known word nearest to `word`, or listing the known ones.

    >>> nearest("digitz", ["digits", "tabular"])
    'did you mean "digits"?'
    """
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f'did you mean "{close[0]}"?'
    return f"known: {', '.join(names[:12])}{', ...' if len(names) > 12 else ''}"

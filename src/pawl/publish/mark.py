"""The end of our comment: how we, an earlier run of ours, and CML know it again.

    <the report>

    <!-- pawl run=17000000001 attempt=1 commit=4f0c… -->

    ![](https://cml.dev/watermark.png#4f0c… "CML watermark pawl")

The last line is CML's own mark, as CML 0.20 writes and finds it, so that either program updates the other's comment.
The line above orders the runs. Both are read only at the very end of a comment: text of a report, such as a branch name
that imitates them, always stands before the true ones.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pawl.errors import InputError

MAX_COMMENT_UNITS = 65_536
"""GitHub's limit for a comment, in UTF-16 units, the mark included."""

WATERMARK_URL = "https://cml.dev/watermark.png"
_TITLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,63}")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_STAMP = re.compile(r"<!-- pawl(?: run=([0-9]{1,18}) attempt=([0-9]{1,6}))? commit=([0-9a-f]{40,64}) -->")


@dataclass(frozen=True)
class Stamp:
    """Which run a comment tells of. CML alone leaves no stamp: then all is None."""

    run: int | None
    attempt: int = 1
    commit: str | None = None

    @property
    def order(self) -> tuple[int, int]:
        """Grows from run to run; a comment that no workflow run wrote is older than any."""
        return (0, 0) if self.run is None else (self.run, self.attempt)


def supersedes(there: Stamp, ours: Stamp) -> bool:
    """Whether a comment stamped `there` must not be overwritten by `ours`; a person at the keyboard may always."""
    return ours.run is not None and there.order > ours.order


def utf16_units(text: str) -> int:
    """How many UTF-16 units the text has, which is how GitHub's limit is counted here."""
    return len(text) + sum(character > "\uffff" for character in text)


def body_budget_units(title: str) -> int:
    """How many UTF-16 units a report may have so that it fits into one comment with the longest possible tail."""
    return MAX_COMMENT_UNITS - len(_tail(title, Stamp(10**18 - 1, 10**6 - 1, "0" * 64)))


def check_title(title: str) -> None:
    """Raise InputError for a title that CML would not find again, because it escapes or fills in parts of it."""
    if not _TITLE.fullmatch(title):
        raise InputError(
            f"the comment's title is {title[:100]!r}: use 1 to 64 letters, digits, dots and hyphens, as in pawl-digits"
        )


def check_commit(commit: str) -> None:
    """Raise InputError for anything but a full commit id."""
    if not _COMMIT.fullmatch(commit):
        raise InputError(
            f"{commit[:100]!r} is not a full commit id: give all 40 hexadecimal digits of `git rev-parse HEAD`"
        )


def stamped(body: str, stamp: Stamp) -> str:
    """The report and its stamp: what is handed to CML, which puts its own mark after two line ends."""
    # GitHub stores neither NUL nor half a surrogate pair; a file name in a pull request can bring both.
    clean = body.replace("\0", "\ufffd").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").rstrip()
    run = "" if stamp.run is None else f" run={stamp.run} attempt={stamp.attempt}"
    return f"{clean}\n\n<!-- pawl{run} commit={stamp.commit} -->"


def compose(body: str, title: str, stamp: Stamp) -> str:
    """The whole comment.

    Raises:
        InputError: the title or the commit cannot be used, or the whole is longer than GitHub takes.
    """
    check_title(title)
    check_commit(stamp.commit or "")
    text = stamped(body, stamp) + f"\n\n{_watermark(title, stamp)}"
    if (units := utf16_units(text)) > MAX_COMMENT_UNITS:
        raise InputError(
            f"the comment has {units:,} UTF-16 units and GitHub takes {MAX_COMMENT_UNITS:,}:"
            f" keep the report within {body_budget_units(title):,}, which `pawl report` does"
        )
    return text


def stamp_in(text: str, title: str) -> Stamp | None:
    """The stamp at the end of a comment with our mark; None for a comment that is not marked as ours at its end."""
    return _taken_apart(text, title)[1]


def report_in(text: str, title: str) -> str:
    """A comment without its stamp and mark; empty for one that is not marked as ours at its end."""
    return _taken_apart(text, title)[0]


def _taken_apart(text: str, title: str) -> tuple[str, Stamp | None]:
    """The report in a comment, and its stamp."""
    lines = normalised(text).split("\n")
    mark = rf'!\[\]\({re.escape(WATERMARK_URL)}#[0-9a-fA-F]+ "CML watermark {re.escape(title)}"\)'
    if not re.fullmatch(mark, lines.pop()):
        return "", None
    return stamp_at_end("\n".join(lines))


def stamp_at_end(text: str) -> tuple[str, Stamp]:
    """A text without the stamp that `stamped` put after it, and that stamp; an empty one where there is none."""
    lines = text.rstrip().split("\n")
    found = _STAMP.fullmatch(lines[-1])
    if not found:
        return "\n".join(lines), Stamp(None)
    run, attempt, commit = found.groups()
    stamp = Stamp(int(run) if run else None, int(attempt) if attempt else 1, commit)
    return "\n".join(lines[:-1]).rstrip(), stamp


def normalised(text: str) -> str:
    """The text without what a store may change on its way: line ends, and white space at the very end."""
    return text.replace("\r\n", "\n").rstrip()


def _watermark(title: str, stamp: Stamp) -> str:
    return f'![]({WATERMARK_URL}#{stamp.commit} "CML watermark {title}")'


def _tail(title: str, stamp: Stamp) -> str:
    return stamped("", stamp) + f"\n\n{_watermark(title, stamp)}"

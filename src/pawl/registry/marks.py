"""Which version is candidate and which champion, by the marks that promotions left on versions; nothing is asked.

Every promotion writes marks of its own name and nobody else's, and the aliases follow from all of them together, so it
does not matter in which order promotions come, or whether one is done twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

PROMOTION_PREFIX = "pawl.promotion."
ROLLBACK_PREFIX = "pawl.rolled_back."
_NAME = re.compile(r"(\d{1,15})\.([0-9a-f]{40})")

Word = Literal["champion", "candidate", "moved"]
"""As decided; moved: another became champion while this was measured, so the decision does not count."""


@dataclass(frozen=True, order=True)
class Mark:
    """One promotion of one version; later ones are larger."""

    order: int
    """How many commits main's first-parent history has up to the promoted one."""
    commit: str
    version: int
    word: Word = "candidate"
    rolled_back: bool = False

    @property
    def name(self) -> str:
        """What tells it from the other promotions of the model."""
        return mark_name(self.order, self.commit)

    @property
    def is_champion(self) -> bool:
        """Whether it made its version champion, and nobody took that back."""
        return self.word == "champion" and not self.rolled_back


def mark_name(order: int, commit: str) -> str:
    """The name of the promotion of a commit.

    >>> mark_name(12, "3f" * 20)
    '12.3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f3f'
    """
    return f"{order}.{commit}"


def marks_of(version: int, tags: Mapping[str, str]) -> list[Mark]:
    """The marks among the tags of one version; what is none of ours is passed over."""
    found = []
    for key, value in tags.items():
        name = key.removeprefix(PROMOTION_PREFIX)
        matched = _NAME.fullmatch(name) if name != key else None
        if matched and value in ("champion", "candidate", "moved"):
            rolled_back = f"{ROLLBACK_PREFIX}{name}" in tags
            found.append(Mark(int(matched[1]), matched[2], version, value, rolled_back))  # type: ignore[arg-type]
    return found


def candidate(marks: Iterable[Mark]) -> Mark | None:
    """The promotion of the newest commit."""
    return max(marks, default=None)


def champion(marks: Iterable[Mark], before: tuple[int, str] | None = None) -> Mark | None:
    """The newest promotion that made its version champion; `before`: of those of older commits than (order, commit)."""
    return max(
        (mark for mark in marks if mark.is_champion and (before is None or (mark.order, mark.commit) < before)),
        default=None,
    )


def to_roll_back(marks: Iterable[Mark]) -> tuple[list[Mark], Mark | None]:
    """The promotions to take back so that another version is champion, and the one that is champion then.

    Several, where the same package was promoted more than once; (all, None) where there is no version before.
    """
    left = list(marks)
    present, taken = champion(left), []
    now = present
    while now is not None and present is not None and now.version == present.version:
        taken.append(now)
        left.remove(now)
        now = champion(left)
    return taken, now

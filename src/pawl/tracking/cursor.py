"""How far a spool has been delivered to one server: what that server has confirmed, and nothing else."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from pawl.errors import InputError
from pawl.report.files import write_together
from pawl.schema.basics import Strict
from pawl.tracking.server import without_secrets

_MOST_RUNS = 100_000


class Cursor(Strict):
    """`cursor-<server>.json` of a spool."""

    sent: Annotated[int, Field(ge=0)] = 0
    """Bytes of the events that are delivered, but for those that are held back."""
    held: tuple[int, ...] = ()
    """Where events begin, before that, which the store of files does not take at present."""
    experiments: dict[str, str] = Field(default_factory=dict)
    """Name -> id at the server."""
    runs: dict[str, str] = Field(default_factory=dict, max_length=_MOST_RUNS)
    """The spool's run -> MLflow's."""
    linked: dict[str, str] = Field(default_factory=dict)
    """The spool's run -> experiment's id, a slash, and id of MLflow's run that has the result already."""
    continued: tuple[str, ...] = ()
    """The spool's runs that went on in a run of MLflow's which had broken off."""
    rewound: int = 0
    """How often all was sent again because something was not there."""
    state: Literal["begun", "delivering", "failing", "refused"] = "begun"
    """refused: trying again is no use before somebody changes something."""
    tries: int = 0
    """Failures since something was last delivered."""
    reason: str = ""

    @property
    def offset(self) -> int:
        """Bytes up to which all events are delivered."""
        return min((*self.held, self.sent))


@dataclass
class CursorFile:
    """The cursor of a spool for one server; written whole or not at all."""

    path: Path
    value: Cursor

    def set(self, **changes: object) -> None:
        """Change it, and write it down; a disk without room leaves it unwritten, and things are sent again some day."""
        self.value = Cursor.model_validate(self.value.model_copy(update=changes).model_dump())
        with suppress(InputError):
            write_together({self.path: self.value.model_dump_json().encode()})


def cursor_of(spool: Path, uri: str) -> CursorFile:
    """The cursor of that spool for that server, as it was last written; from the start where it is not readable."""
    name = hashlib.sha256(without_secrets(uri).encode()).hexdigest()[:12]
    path = spool / f"cursor-{name}.json"
    with suppress(OSError, ValidationError):
        return CursorFile(path, Cursor.model_validate_json(path.read_bytes()))
    return CursorFile(path, Cursor())

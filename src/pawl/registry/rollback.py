"""Taking a champion back: the one before is champion again, and no version is touched but by a mark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pawl.errors import InputError, nearest
from pawl.registry.marks import champion, to_roll_back
from pawl.registry.versions import CHAMPION, all_marks, answering, roll_back, settle_aliases, versions_of
from pawl.session import Session
from pawl.tracking.server import client_for, tracking_uri, without_secrets

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class RolledBack:
    """Which version was champion, and which is."""

    name: str
    before: int
    now: int


def roll_back_one(session: Session, names: list[str], chosen: str | None) -> RolledBack:
    """Take the champion of the model `chosen` back; it may be left out where there is one model."""
    if chosen is None and len(names) != 1:
        raise InputError(f"say which model to roll back: --model with one of {', '.join(names[:12]) or 'none'}.")
    name = chosen or names[0]
    if name not in names:
        raise InputError(f'no package is registered as "{name}": {nearest(name, names)}')
    uri = tracking_uri(session)
    with answering(without_secrets(uri)):
        return roll_back_champion(client_for(uri), name)


def roll_back_champion(client: MlflowClient, name: str) -> RolledBack:
    """The version that was champion before is it again. Raises InputError where there is none.

    Where an earlier rollback was broken off before its end, that is brought to its end, and nothing more.
    """
    marks = all_marks(versions_of(client, name))
    present = champion(marks)
    if present is None:
        raise InputError(f"{name} has no champion, so there is nothing to roll back.")
    alias = client.get_registered_model(name).aliases.get(CHAMPION)
    if (
        alias is not None
        and int(alias) != present.version
        and any(m.version == int(alias) and m.rolled_back for m in marks)
    ):
        return RolledBack(name, int(alias), settle_aliases(client, name)[CHAMPION])
    taken, now = to_roll_back(marks)
    if now is None:
        raise InputError(
            f"no version of {name} was champion before version {present.version}: there is none to go back to."
        )
    for mark in taken:
        roll_back(client, name, mark)
    return RolledBack(name, present.version, settle_aliases(client, name)[CHAMPION])

"""One run of pawl and its spool, which the step that trains begins and the step that tracks ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pawl.git import toplevel
from pawl.pipeline.checkout import state_folder
from pawl.tracking.cursor import cursor_of
from pawl.tracking.lineage import about
from pawl.tracking.live import Live, milliseconds
from pawl.tracking.process import Deliverer, unreachable
from pawl.tracking.server import Place, configured_uri, tracking_uri
from pawl.tracking.spool import Spool, new_spool, size_of, spool_root, spools

if TYPE_CHECKING:
    from pawl.schema import Machine
    from pawl.session import Session

_CURRENT = "current"
_MOST_OLDER = 50


class Open:
    """The spools and deliverers of this process; a spool is held until the process ends, so that others see it live."""

    spools: ClassVar[dict[Path, Spool]] = {}
    deliverers: ClassVar[dict[Path, Deliverer]] = {}
    seeds: ClassVar[Path | None] = None
    """The spool of the trainings with other seeds that this process was at before."""


def root_of(place: Place) -> Path:
    """The folder of the checkout's spools."""
    return spool_root(state_folder(toplevel(place.root)))


def spool_at(folder: Path) -> Spool:
    """The spool in that folder, made where there is none, and held from now on."""
    if folder not in Open.spools:
        Open.spools[folder] = Spool(folder)
    return Open.spools[folder]


def let_go(folder: Path) -> None:
    """Hold the spool in that folder no longer."""
    spool = Open.spools.pop(folder, None)
    if spool is not None:
        spool.close()


def deliverer_of(place: Place, folder: Path) -> Deliverer:
    """The process that delivers that spool, and then what earlier ones left; started where it does not run yet."""
    if folder not in Open.deliverers or not Open.deliverers[folder].runs:
        uri = tracking_uri(place)
        older = [other for other in undelivered(root_of(place), uri) if other != folder][-_MOST_OLDER:]
        Open.deliverers[folder] = Deliverer([folder, *older], uri, place.config.tracking.archive_after_days)
    return Open.deliverers[folder]


def undelivered(root: Path, uri: str) -> list[Path]:
    """The spools, oldest first, that the server does not have all of."""
    return [folder for folder in spools(root) if cursor_of(folder, uri).value.offset < size_of(folder)]


@contextmanager
def live_tracking(session: Session, machine: Machine, *, trains: bool) -> Iterator[Live | None]:
    """While the block runs, stages go into a new spool, and to the server where there is one; None: tracking is off.

    `trains`: whether any stage will run, so that there is something to deliver while the block runs.
    """
    settings = session.config.tracking
    if not settings.enabled:
        yield None
        return
    root = root_of(session)
    folder = new_spool(root, session.head_revision.commit)
    live = None
    with suppress(Exception):
        root.mkdir(parents=True, exist_ok=True)
        _take_seeds(folder)
        (root / _CURRENT).write_text(folder.name, encoding="utf-8")
        live = Live(about(session, machine, milliseconds()), lambda: spool_at(folder))
        if trains and settings.live:
            spool_at(folder)
            stream(session, folder)
    if not settings.live:
        yield None
        return
    killed = True
    try:
        yield live
        killed = False
    finally:
        if live is not None:
            live.close(killed=killed)


def current_spool(session: Session) -> Path:
    """The spool of the run whose results are in the reports: that of the last training, else a new one."""
    root = root_of(session)
    commit = session.head_revision.commit
    with suppress(OSError):
        name = (root / _CURRENT).read_text(encoding="utf-8").strip()
        if f"-{commit[:10]}-" in name and "/" not in name:
            return root / name
    return new_spool(root, commit)


def _take_seeds(folder: Path) -> None:
    """What was trained with other seeds just before belongs to this run: one spool, one delivery, one parent."""
    left, Open.seeds = Open.seeds, None
    if left is not None and left not in Open.deliverers and size_of(left):
        let_go(left)
        left.rename(folder)


def stream(place: Place, folder: Path) -> None:
    """Begin to deliver while the stages run, if there is a server that this step may know the password of.

    A local file is written at the end: nobody watches it, and MLflow would take seconds of the processor now.
    """
    # In a workflow the stages' step is told nothing, and stages could read what it is told.
    in_workflow = "GITHUB_ACTIONS" in os.environ
    told = os.environ.get("MLFLOW_TRACKING_URI") if in_workflow else configured_uri(place)
    if told and unreachable(told) is None:
        deliverer_of(place, folder)

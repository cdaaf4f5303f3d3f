"""What ranks do together at the beginning and the end of a phase."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tasks.common.learning.checkpoints import PhaseCheckpoints, Snapshot
from tasks.common.learning.history import LogEpoch
from tasks.common.learning.ranks import Total, gather, this_rank
from tasks.common.stage.errors import TaskError


class PhaseDone(BaseException):
    """Ends a process that was started as a rank: its phase is trained, and the rest is not its own."""


def newest_for_all(checkpoints: PhaseCheckpoints, total: Total) -> Snapshot | None:
    """The newest checkpoint that is whole, the same one for every rank. Raises TaskError where they see others."""
    import numpy as np

    rank = this_rank()
    if rank.count == 1:
        return checkpoints.newest()
    # The first rank removes damaged ones before the others look, and writes none before all have read.
    snapshot = checkpoints.newest() if rank.number == 0 else None
    total(np.zeros((1, 1)))
    if rank.number > 0:
        snapshot = checkpoints.newest()
    place = [-1.0, -1.0] if snapshot is None else [float(snapshot.record[name]) for name in ("epoch", "batch")]
    if len(np.unique(gather(total, rank, np.array([place])), axis=0)) > 1:
        raise TaskError(
            f"not every machine has the same checkpoints in {checkpoints.folder}; train in a folder that they share."
        )
    return snapshot


def log_of_rank(checkpoints: PhaseCheckpoints) -> LogEpoch:
    """What a rank does with an epoch's metrics: the first tells them to the process that writes the history."""
    rank = this_rank()

    def log(metrics: Mapping[str, float]) -> None:
        if rank.number == 0 and rank.epochs_file and checkpoints.folder.name == rank.phase:
            with rank.epochs_file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(dict(metrics), allow_nan=False) + "\n")

    return log


def leave_after(checkpoints: PhaseCheckpoints, total: Total) -> None:
    """Once all ranks are here, raise PhaseDone if this is the phase that they were started for."""
    import numpy as np

    if checkpoints.folder.name == this_rank().phase:
        # What one rank still has to send is lost with its process.
        total(np.zeros((1, 1)))
        raise PhaseDone

"""Starting the ranks of a training, each a process of its own, and what such a process does.

The process that runs the stage is none of them: it waits, reads the last checkpoint, and goes on as if it had trained.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.common.learning.checkpoints import PhaseCheckpoints
from tasks.common.learning.history import LogEpoch
from tasks.common.learning.job_processes import graphics_cards
from tasks.common.learning.jobs import Job, attempt_jobs
from tasks.common.learning.nodes import addresses_of, place_of
from tasks.common.learning.rank_course import PhaseDone
from tasks.common.learning.ranks import Again, Rank, become, this_rank
from tasks.common.stage.errors import EXIT_INPUT, TaskError
from tasks.common.stage.paths import TaskPaths
from tasks.common.stage.progress import say

if TYPE_CHECKING:
    from tasks.common.learning.trainer import TrainerParams

_FOLLOW_SECONDS = 0.2
_PEER_ENDED = "another process of this training ended; its own lines say why."
# What gloo, NCCL and TensorFlow say where the other end of a connection is gone.
_SIGNS_OF_A_PEER = ("gloo", "nccl", "collective", "connection", "coordination", "socket closed", "unavailable")


def check_cards(trainer: TrainerParams) -> None:
    """Raise TaskError where there are graphics cards to be used, but fewer than the parameter devices says."""
    n_cards = len(graphics_cards()) if trainer.device != "cpu" and trainer.devices > 1 else 0
    if 0 < n_cards < trainer.devices and this_rank().store is None:
        raise TaskError(
            f"the parameter devices is {trainer.devices}, but this process has {n_cards} of this machine's graphics "
            f"cards; set devices to {n_cards}, or device to cpu."
        )


def train_on_ranks(checkpoints: PhaseCheckpoints, trainer: TrainerParams, epochs: int, log_epoch: LogEpoch) -> LogEpoch:
    """Train the phase on as many ranks as the trainer's parameters say, where they say several; none is left running.

    What comes of it is the newest checkpoint. log_epoch is called while they train; returned is what takes its place
    afterwards, which knows the epochs that were logged. Raises TaskError, one sentence of the first rank that failed.
    """
    if trainer.devices * trainer.nodes == 1 or this_rank().store is not None:
        return log_epoch
    logged = 0
    if not _is_complete(checkpoints, trainer.epochs(epochs)):
        if checkpoints.again is None:
            raise TaskError(
                f"{checkpoints.label} is one of several trainings that have devices of their own; "
                "set devices and nodes to 1."
            )
        check_cards(trainer)
        place = place_of(trainer.nodes, os.environ)
        addresses = addresses_of(place, trainer.devices, checkpoints.folder.name)
        folder = checkpoints.folder.parent / f"ranks-{place.node}"
        shutil.rmtree(folder, ignore_errors=True)
        numbers = range(place.node * trainer.devices, (place.node + 1) * trainer.devices)
        folder.mkdir(parents=True)
        with (
            tempfile.TemporaryDirectory(prefix="ranks-") as meeting,
            _followed(folder / "epochs.jsonl", log_epoch) as count,
        ):
            common = {
                "addresses": list(addresses),
                "meeting": meeting if place.nodes == 1 else None,
                "on_machine": trainer.devices,
                "epochs_file": str((folder / "epochs.jsonl").resolve()),
            }
            _run([_job(number, checkpoints, checkpoints.again, common) for number in numbers], folder, checkpoints)
        logged = count()
    return _without_first(logged, log_epoch)


def run(root: Path, arguments: dict[str, Any], out: Path) -> None:
    """A job: be one rank. It trains until the end of the phase and writes nothing but the first rank's checkpoints."""
    meeting = arguments["meeting"]
    become(
        Rank(
            arguments["number"],
            len(arguments["addresses"]),
            tuple(arguments["addresses"]),
            Path(meeting) if meeting else None,
            arguments["on_machine"],
            Path(arguments["store"]),
            arguments["phase"],
            Path(arguments["epochs_file"]),
            writes=False,
        )
    )
    module, _, name = arguments["function"].partition(":")
    try:
        getattr(importlib.import_module(module), name)(root, arguments["arguments"], out)
    except PhaseDone:
        return
    except Exception as error:
        _end_at_once(error)


def run_stage(root: Path, arguments: dict[str, Any], out: Path) -> None:
    """The stage train of a task, with nothing written but in `out`."""
    stage = importlib.import_module(f"tasks.{arguments['task']}.train.run")
    # Whatever is set by hand has no key, and a rank needs none.
    paths = TaskPaths(root, arguments["task"], outputs=out, overridden=True)
    stage.run(paths, stage.Params.model_validate_json(arguments["params"]))


def _end_at_once(error: Exception) -> None:
    """What the end of a process says, without the end of its libraries, which may wait for the other ranks."""
    text = f"{type(error).__module__}.{type(error).__name__}: {error}".lower()
    is_of_a_library = isinstance(error, RuntimeError) or type(error).__module__.startswith("tensorflow")
    code = EXIT_INPUT
    if isinstance(error, TaskError):
        say(f"error: {error}")
    elif is_of_a_library and any(sign in text for sign in _SIGNS_OF_A_PEER):
        traceback.print_exception(error)
        say(f"error: {_PEER_ENDED}")
    else:
        traceback.print_exception(error)
        code = 1
    os._exit(code)


def _is_complete(checkpoints: PhaseCheckpoints, epochs: int) -> bool:
    newest = checkpoints.newest()
    return newest is not None and newest.record["epoch"] >= epochs


def _job(number: int, checkpoints: PhaseCheckpoints, again: Again, common: Mapping[str, Any]) -> Job:
    arguments = {
        "number": number,
        "store": str(checkpoints.folder.parent.resolve()),
        "phase": checkpoints.folder.name,
        "function": again.function,
        "arguments": dict(again.arguments),
        **common,
    }
    return Job(f"rank-{number}", "tasks.common.learning.rank_processes:run", arguments)


def _run(jobs: list[Job], folder: Path, checkpoints: PhaseCheckpoints) -> None:
    assert checkpoints.again is not None
    outcomes = attempt_jobs(
        jobs,
        folder,
        root=checkpoints.again.root,
        executor="local",
        workers=len(jobs),
        label=checkpoints.label,
        stop_at_failure=True,
    )
    errors = [outcome.error for outcome in outcomes if outcome.error]
    if errors:
        # Of several, one that is no consequence of another.
        raise TaskError(next((error for error in errors if _PEER_ENDED not in error), errors[0]))


@contextmanager
def _followed(file: Path, log_epoch: LogEpoch) -> Iterator[Callable[[], int]]:
    """Within the block, log each line of a file as it comes; a function that says how many, for after the block."""
    ended = threading.Event()
    logged = 0
    failures: list[Exception] = []

    def log_new() -> None:
        nonlocal logged
        lines = file.read_text(encoding="utf-8").split("\n")[:-1] if file.exists() else []
        for line in lines[logged:]:
            log_epoch(json.loads(line))
            logged += 1

    def follow() -> None:
        try:
            while not ended.wait(_FOLLOW_SECONDS):
                log_new()
            log_new()
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield lambda: logged
    finally:
        ended.set()
        thread.join()
    if failures:
        raise failures[0]


def _without_first(count: int, log_epoch: LogEpoch) -> LogEpoch:
    seen = 0

    def log(metrics: Mapping[str, float]) -> None:
        nonlocal seen
        seen += 1
        if seen > count:
            log_epoch(metrics)

    return log

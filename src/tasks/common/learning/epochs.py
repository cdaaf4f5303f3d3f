"""The course of a training, the same for both frameworks: epochs, what they measure, the best one, checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from tasks.common.learning.batches import Batches
from tasks.common.learning.best import Best
from tasks.common.learning.checkpoints import PhaseCheckpoints
from tasks.common.learning.course import Course, return_to, take_snapshot
from tasks.common.learning.due import Due
from tasks.common.learning.engine import Engine, Weights
from tasks.common.learning.history import LogEpoch
from tasks.common.learning.measures import Measure
from tasks.common.learning.nodes import wait_for_readers
from tasks.common.learning.pace import Pace
from tasks.common.learning.rank_course import leave_after, log_of_rank, newest_for_all
from tasks.common.learning.ranks import this_rank
from tasks.common.learning.tally import Tally
from tasks.common.learning.trainer import TrainerParams
from tasks.common.stage.errors import TaskError
from tasks.common.stage.progress import say

Item = TypeVar("Item")


def fit(
    engine: Engine,
    train: Batches,
    validation: Batches | None,
    *,
    measure: Measure,
    epochs: int,
    trainer: TrainerParams,
    log_epoch: LogEpoch,
    checkpoints: PhaseCheckpoints,
    learning_rate_at: Callable[[int], float] | None,
) -> Best[Weights]:
    """Train for so many epochs, or those that a checkpoint leaves, and leave the best epoch's weights in the model.

    validation: None holds nothing out, and leaves the last epoch's weights.
    Of several ranks, each does it with its part of every batch, and the first writes the checkpoints.
    """
    rank = this_rank()
    epochs = trainer.epochs(epochs)
    n_train = 1 if trainer.fast_dev_run else len(train)
    at = _resume(engine, checkpoints, trainer, epochs, n_train)
    if rank.store is not None:
        log_epoch = log_of_rank(checkpoints)
    for metrics in at.history:
        log_epoch(metrics)
    pace = Pace(checkpoints.label, epochs, quiet=rank.number > 0)
    due = Due(checkpoints, trainer.checkpoint_seconds, rank, engine.total)
    while at.epoch < epochs:
        tally = Tally(engine, measure, "train", at.epoch, at.loss_sum, at.rows)
        pace.begin_epoch()
        for group in _groups(train.epoch(at.epoch, at.batch, n_train, engine.host_batch), trainer.accumulate_batches):
            rate = learning_rate_at(at.step) if learning_rate_at else None
            sizes = [train.size(at.batch + number) for number in range(len(group))]
            for batch, size, judged in zip(group, sizes, engine.learn(group, sizes, rate), strict=True):
                tally.add(batch, size, judged)
            at.batch += len(group)
            at.step += 1
            pace.count(sum(sizes), at.epoch, at.batch, n_train)
            if due.now():
                at.loss_sum, at.rows = tally.sums()
                _write(checkpoints, at, engine)
        of_train = tally.metrics()
        pace.end_epoch()
        metrics = of_train
        if validation is not None:
            n_validation = 1 if trainer.fast_dev_run else len(validation)
            metrics = of_train | _judge(engine, validation, at.epoch, n_validation, measure)
        at.best.offer(at.epoch, metrics, engine.weights)
        at.history.append(metrics)
        log_epoch(metrics)
        at.epoch, at.batch, at.loss_sum, at.rows = at.epoch + 1, 0, 0.0, []
        _write(checkpoints, at, engine)
    pace.say_rate()
    if at.best.weights is not None:
        engine.set_weights(at.best.weights)
    if rank.store is not None:
        leave_after(checkpoints, engine.total)
    else:
        wait_for_readers(trainer, checkpoints.folder.name)
    return at.best


def _write(checkpoints: PhaseCheckpoints, at: Course, engine: Engine) -> None:
    """Write a checkpoint, for which each rank gives its generators."""
    snapshot = take_snapshot(at, engine)
    if this_rank().number == 0:
        checkpoints.write(snapshot)


def _resume(
    engine: Engine, checkpoints: PhaseCheckpoints, trainer: TrainerParams, epochs: int, n_batches: int
) -> Course:
    snapshot = newest_for_all(checkpoints, engine.total)
    if snapshot is None:
        return Course()
    try:
        at = return_to(snapshot, engine)
    except (KeyError, ValueError, RuntimeError) as error:
        raise TaskError(
            f"{checkpoints.folder} holds checkpoints of another model; remove the folder and train again."
        ) from error
    where = f"going on after batch {at.batch} of {n_batches} in epoch {at.epoch + 1}"
    # What ranks have just done is no news.
    if this_rank().number == 0 and (at.epoch < epochs or trainer.devices * trainer.nodes == 1):
        say(f"{checkpoints.label}: {where if at.epoch < epochs else 'done already'}")
    return at


def _judge(engine: Engine, validation: Batches, epoch: int, n_batches: int, measure: Measure) -> dict[str, float]:
    tally = Tally(engine, measure, "val", epoch)
    for number, batch in enumerate(validation.epoch(epoch, 0, n_batches, engine.host_batch)):
        tally.add(batch, validation.size(number), engine.judge(batch))
    return tally.metrics()


def _groups(items: Iterator[Item], size: int) -> Iterator[list[Item]]:
    group: list[Item] = []
    for item in items:
        group.append(item)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group

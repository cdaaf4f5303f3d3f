"""train: a model for each fold, side by side or one after the other, then a refit, and the card of them all."""

from __future__ import annotations

import functools
import itertools
import shutil
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from tasks.common.learning.card_of import write_model_card
from tasks.common.learning.checkpoints import checkpoints
from tasks.common.learning.history import history
from tasks.common.learning.jobs import Job, run_jobs
from tasks.common.learning.stage_key import stage_key
from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import new_folder, read_json
from tasks.common.stage.params import PARAMS_FILE
from tasks.common.stage.paths import TaskPaths
from tasks.prostate.model.prepared import Prepared, open_prepared
from tasks.prostate.model.scoring import LABEL, REFIT, model_file
from tasks.prostate.train.params import Params


def run(paths: TaskPaths, params: Params) -> None:
    """Write fold-0.keras and so on, refit.keras where it is asked for, their card, and the history of each.

    The history has the mean over the folds too.
    """
    key = stage_key(paths, "train")
    prepared = open_prepared(paths.prepared)
    _check(prepared, params)
    # The checkpoints and finished networks go last, when the models are in their place.
    with checkpoints(paths, key, params) as store, new_folder(paths.model) as folder:
        train = functools.partial(_train, store.folder / "jobs", paths, params, key)
        outs = train(prepared.folds, params.epochs)
        results = {name: read_json(out / "result.json", "train") for name, out in outs.items()}
        best_epochs = [result["best_epoch"] for result in results.values()]
        validation = mean_of([result["validation"] for result in results.values()])
        if params.final_model == "refit":
            outs |= train([REFIT], refit_epochs(best_epochs))
            results[REFIT] = read_json(outs[REFIT] / "result.json", "train")
        for name, out in outs.items():
            shutil.copyfile(out / model_file(name), folder / model_file(name))
        _write_history(paths, {name: result["epochs"] for name, result in results.items()}, prepared.folds)
        write_model_card(
            paths,
            folder,
            framework="tensorflow",
            files=[model_file(name) for name in outs],
            labels=[LABEL],
            preprocessing=prepared.recipe,
            params=params,
            best_epoch=best_epochs[0],
            validation=validation,
            key=key,
        )


def refit_epochs(best_epochs: Sequence[int]) -> int:
    """How many epochs suit a training that holds nothing out: the median of those after which the folds were best.

    best_epochs: counted from 0. Of two in the middle the lower, since an epoch over all patients has more steps.

    >>> refit_epochs([4, 0, 2]), refit_epochs([1, 4])
    (3, 2)
    """
    return statistics.median_low(best_epochs) + 1


def mean_of(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each name over rows with the same names."""
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}


def _train(
    folder: Path, paths: TaskPaths, params: Params, key: str | None, names: Sequence[str], epochs: int
) -> dict[str, Path]:
    """The folder that the job of each network wrote. The jobs are kept in `folder`."""
    common = {
        "task": paths.task,
        "epochs": epochs,
        "params": params.model_dump(),
        "key": key,
        "outputs": None if paths.outputs is None else str(paths.outputs),
        "overridden": paths.overridden,
    }
    outs = run_jobs(
        [Job(name, "tasks.prostate.train.network:run", {"name": name, **common}) for name in names],
        folder,
        root=paths.root,
        executor=params.folds.executor,
        workers=params.folds.workers,
        label=f"train {paths.task}",
    )
    return dict(zip(names, outs, strict=True))


def _write_history(paths: TaskPaths, epochs: Mapping[str, Sequence[Mapping[str, float]]], folds: Sequence[str]) -> None:
    """The epochs of every network under its name, and the mean of the folds under none."""
    with history(paths, len(epochs[folds[0]])) as log_epoch:
        # The refit may end before the folds do.
        for rows in itertools.zip_longest(*epochs.values(), fillvalue={}):
            of = dict(zip(epochs, rows, strict=True))
            named = {f"{network}/{name}": value for network, row in of.items() for name, value in row.items()}
            log_epoch(mean_of([of[fold] for fold in folds]) | named)


def _check(prepared: Prepared, params: Params) -> None:
    side, levels = prepared.images.shape[1], len(params.channels)
    if prepared.images.shape[2] != side or side % 2 ** (levels - 1):
        raise TaskError(
            f"{PARAMS_FILE}: prostate.train.channels has {levels} levels, for which slices must be squares of a "
            f"multiple of {2 ** (levels - 1)} pixels, but their side is {side}; take a level out or change side_pixels."
        )

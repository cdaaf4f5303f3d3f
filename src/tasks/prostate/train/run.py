"""train: a model for each fold, side by side or one after the other, and the card of them all."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from typing import Any

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
from tasks.prostate.model.scoring import LABEL, model_file
from tasks.prostate.train.params import Params


def run(paths: TaskPaths, params: Params) -> None:
    """Write fold-0.keras and so on with their card, the history of each fold, and that of their mean."""
    key = stage_key(paths, "train")
    prepared = open_prepared(paths.prepared)
    _check(prepared, params)
    # The checkpoints and finished folds go last, when the models are in their place.
    with checkpoints(paths, key, params) as store, new_folder(paths.model) as folder:
        jobs = [
            Job(
                fold,
                "tasks.prostate.train.fold:run",
                {
                    "task": paths.task,
                    "fold": fold,
                    "params": params.model_dump(),
                    "key": key,
                    "outputs": None if paths.outputs is None else str(paths.outputs),
                    "overridden": paths.overridden,
                },
            )
            for fold in prepared.folds
        ]
        outs = run_jobs(
            jobs,
            store.folder / "jobs",
            root=paths.root,
            executor=params.folds.executor,
            workers=params.folds.workers,
            label=f"train {paths.task}",
        )
        results = {
            fold: read_json(out / "result.json", "train") for fold, out in zip(prepared.folds, outs, strict=True)
        }
        for fold, out in zip(prepared.folds, outs, strict=True):
            shutil.copyfile(out / model_file(fold), folder / model_file(fold))
        _write_history(paths, results)
        write_model_card(
            paths,
            folder,
            framework="tensorflow",
            files=[model_file(fold) for fold in prepared.folds],
            labels=[LABEL],
            preprocessing=prepared.recipe,
            params=params,
            best_epoch=results[prepared.folds[0]]["best_epoch"],
            validation=mean_of([result["validation"] for result in results.values()]),
            key=key,
        )


def mean_of(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each name over rows with the same names."""
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}


def _write_history(paths: TaskPaths, results: Mapping[str, Any]) -> None:
    """The epochs of every fold under its name, and their mean under none."""
    of_folds = [result["epochs"] for result in results.values()]
    with history(paths, len(of_folds[0])) as log_epoch:
        for rows in zip(*of_folds, strict=True):
            named = {f"{fold}/{name}": v for fold, row in zip(results, rows, strict=True) for name, v in row.items()}
            log_epoch(mean_of(rows) | named)


def _check(prepared: Prepared, params: Params) -> None:
    side, levels = prepared.images.shape[1], len(params.channels)
    if prepared.images.shape[2] != side or side % 2 ** (levels - 1):
        raise TaskError(
            f"{PARAMS_FILE}: prostate.train.channels has {levels} levels, for which slices must be squares of a "
            f"multiple of {2 ** (levels - 1)} pixels, but their side is {side}; take a level out or change side_pixels."
        )

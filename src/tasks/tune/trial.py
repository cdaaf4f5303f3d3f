"""One trial: the stage train with other values, in a folder of its own, judged on the validation split."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path
from typing import Any

from tasks.common.model.card import read_card
from tasks.common.stage.errors import TaskError, nearest
from tasks.common.stage.files import write_json
from tasks.common.stage.paths import TaskPaths

RESULT_FILE = "result.json"
PREFIX = "val/"


def run(root: Path, arguments: dict[str, Any], out: Path) -> None:
    """A job. arguments: task, params (the whole block `train`), metric. Writes result.json with what validation said.

    The test split has no part in it. Raises TaskError where the training does or has no such metric.
    """
    task, metric = arguments["task"], arguments["metric"]
    paths = TaskPaths(root, task, outputs=out / "work", overridden=True)
    stage = importlib.import_module(f"tasks.{task}.train.run")
    stage.run(paths, stage.Params.model_validate(arguments["params"]))
    card = read_card(paths.model, task)
    name = metric.removeprefix(PREFIX)
    if name not in card.validation:
        raise TaskError(
            f'the training of {task} has no metric "{metric}" on its validation split; '
            f"{nearest(metric, [PREFIX + known for known in card.validation])}"
        )
    write_json(
        out / RESULT_FILE,
        {"value": card.validation[name], "validation": card.validation, "best_epoch": card.best_epoch},
    )
    # The best values train the same model again: a hundred trials need not keep a hundred models.
    shutil.rmtree(paths.output_root)

"""The card of a model that was just trained."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.common.data.manifest import MANIFEST_FILE
from tasks.common.data.report import read_source
from tasks.common.learning.ranks import this_rank
from tasks.common.model.card import Card, write_card
from tasks.common.stage.files import file_digest
from tasks.common.stage.params import StageParams
from tasks.common.stage.paths import TaskPaths


def write_model_card(
    paths: TaskPaths,
    folder: Path,
    *,
    framework: str,
    files: Sequence[str],
    labels: Sequence[str],
    preprocessing: Mapping[str, Any],
    params: StageParams,
    best_epoch: int,
    validation: Mapping[str, float],
    key: str | None,
) -> None:
    """Write `folder/card.json` for the model whose `files` are in `folder`; the other arguments are Card's.

    Of the processes of several machines, only the first one's goes on after this; the others end here.
    """
    if not this_rank().writes:
        sys.exit(0)
    write_card(
        folder,
        Card(
            task=paths.task,
            framework=framework,
            files={name: file_digest(folder / name) for name in files},
            labels=list(labels),
            preprocessing=dict(preprocessing),
            params=params.model_dump(),
            source=read_source(paths.prepared),
            best_epoch=best_epoch,
            validation=dict(validation),
            stage_key=key,
            data_digest=file_digest(paths.prepared / MANIFEST_FILE),
        ),
    )

"""`tasks download`: a task's real data, from where its owner offers it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def download(
    task: Annotated[str, typer.Argument(metavar="TASK", help="A task with real data to download: retinopathy.")],
    out_path: Annotated[Path, typer.Option("--out-path", help="New folder that takes the data.")] = Path("dataset"),
    address: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Download a task's real data into a folder.

    The token comes from the environment: KAGGLE_API_TOKEN, or KAGGLE_USERNAME and KAGGLE_KEY. Accept the competition's
    rules on Kaggle's site first. Interrupted, the same command goes on where it stopped.

    Example: tasks download retinopathy --out-path dataset
    """
    from tasks.download.kaggle import ADDRESS
    from tasks.download.run import download_task

    download_task(task, out_path, address=address or ADDRESS)

"""Downloading a task's real data into a folder, whole or not at all."""

from __future__ import annotations

import importlib
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import new_folder
from tasks.common.stage.progress import say
from tasks.download.kaggle import ADDRESS, download_competition, read_credentials
from tasks.download.unpack import unpack


def download_task(
    task: str, out_path: Path, *, address: str = ADDRESS, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Download the real data of `task` into the new folder `out_path`.

    The module `tasks.<task>.origin` names the Kaggle COMPETITION, and in EXPECTED what must be in it. What was fetched
    before an interruption waits in a folder beside `out_path`. Raises TaskError where it cannot be had.
    """
    name = f"tasks.{task}.origin"
    try:
        origin = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name not in (name, f"tasks.{task}"):
            raise
        raise TaskError(f"there is no download for {task}; docs/ says where its real data comes from.") from error
    out_path = out_path.absolute()
    if out_path.exists() and (not out_path.is_dir() or any(out_path.iterdir())):
        raise TaskError(f"{out_path} is there already and is not empty; remove it, or name another folder.")
    credentials = read_credentials()
    waiting = out_path.with_name(f".{out_path.name}-download")
    archive = waiting / f"{origin.COMPETITION}.zip"
    if not archive.exists():
        download_competition(origin.COMPETITION, archive, credentials, address=address, sleep=sleep)
    with new_folder(out_path) as folder:
        n_files = unpack(archive, folder, f"unpack {origin.COMPETITION}")
        for expected in origin.EXPECTED:
            if not (folder / expected).exists():
                raise TaskError(f"{archive} has no {expected}, which {task} needs; look at it, then remove it.")
    shutil.rmtree(waiting)
    say(f"download {task}: {n_files} files in {out_path}; keep them with: dvc add {out_path.name}")

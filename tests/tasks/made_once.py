"""Folders that tests only read, made once a run: by the first worker of pytest-xdist that asks for one."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """The folder of that name, which `make` fills; who asks meanwhile waits, and after a failure the next one tries."""
    own = factory.getbasetemp()
    # The workers of one run have their folders side by side.
    is_workers = own.name == f"popen-{os.environ.get('PYTEST_XDIST_WORKER')}"
    top = (own.parent if is_workers else own) / "made-once"
    top.mkdir(exist_ok=True)
    folder, is_made = top / name, top / f"{name}.made"
    with (top / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_made.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            is_made.touch()
    return folder

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.github import FakeGitHub
from tests.runner.machine import Machine


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users can reach, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="pawl-runner-", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def new_machine(open_folder: Path) -> Iterator[Callable[..., Machine]]:
    """Make a machine with settings of its own; at the end nothing of it runs."""
    made: list[Machine] = []
    with FakeGitHub() as github:

        def make(**settings: Any) -> Machine:
            made.append(Machine(open_folder / f"machine-{len(made)}", github, settings))
            return made[-1]

        yield make
        for machine in made:
            machine.end()


@pytest.fixture
def machine(new_machine: Callable[..., Machine]) -> Machine:
    return new_machine()

"""Posters as params.yaml has them, and folders in the real set's layout."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.common.stage.files import write_json
from tasks.common.stage.paths import TaskPaths
from tasks.posters.fetch.sample import draw_poster
from tests.tasks.checkouts import REPOSITORY, STAGES, change_params, run_stages

GENRES = ("Comedy", "Drama", "N/A", "News", "War")
CUTS = {
    "posters.prepare.image_size": 32,
    "posters.prepare.min_posters_per_genre": 3,
    "posters.prepare.max_rejected_share": 0.5,
}


@pytest.fixture(scope="session")
def posters(tmp_path_factory: pytest.TempPathFactory) -> TaskPaths:
    """All stages with the parameters of the repository: about 45 s of one core, most of it the training."""
    root = tmp_path_factory.mktemp("posters")
    shutil.copy(REPOSITORY / "params.yaml", root)
    change_params(root, {"tasks": ["posters"]})
    run_stages([(stage, "posters", root) for stage in STAGES])
    return TaskPaths(root, "posters")


def a_poster(number: int, genres: Sequence[str] = ("Comedy",), *, is_red: bool = False) -> bytes:
    """A JPEG file, another for each number."""
    return draw_poster(tuple(genres), np.random.default_rng(number), is_red=is_red)


def table_row(name: str, genres: Sequence[str]) -> list[str]:
    """A row of the table, whose list and columns agree."""
    return [name, str(list(genres)), *("1" if genre in genres else "0" for genre in GENRES)]


class RealFolder:
    """A folder in the real set's layout, with 48 posters: 32 of Comedy, half of them of Drama too, and 16 of War."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: list[list[str]] = []
        (folder / "Images").mkdir(parents=True)
        for number in range(48):
            genres = [["Comedy"], ["Comedy", "Drama"], ["War"]][number % 3]
            self.add(f"tt{number:07d}", genres, a_poster(number))

    def add(self, name: str, genres: Sequence[str], image: bytes | None) -> None:
        """A row, with its image where there is one."""
        self.rows.append(table_row(name, genres))
        if image is not None:
            (self.folder / "Images" / f"{name}.jpg").write_bytes(image)

    def write(self, header: Sequence[str] = ("Id", "Genre", *GENRES)) -> None:
        """Write the table, and what fetch says of the source."""
        with (self.folder / "train.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([header, *self.rows])
        write_json(self.folder / "source.json", {"name": "a test's", "licence": "none", "synthetic": True})


@pytest.fixture
def real(checkout: Callable[..., TaskPaths]) -> Callable[..., tuple[TaskPaths, RealFolder]]:
    """A function that makes the paths of a checkout, whose parameters differ as given, and raw data to add to."""

    def make(changes: Mapping[str, Any] | None = None) -> tuple[TaskPaths, RealFolder]:
        paths = checkout("posters", {"tasks": ["posters"], **CUTS, **(changes or {})})
        return paths, RealFolder(paths.raw)

    return make

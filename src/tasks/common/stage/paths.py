"""Where the stages of a task read and write, the same for every task and written down again in dvc.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tasks.common.stage.errors import TaskError
from tasks.common.stage.params import PARAMS_FILE


@dataclass(frozen=True)
class TaskPaths:
    """The files of one task under the repository's `root`."""

    root: Path
    task: str

    @property
    def raw(self) -> Path:
        """Folder that fetch writes."""
        return self.root / "data" / self.task / "raw"

    @property
    def prepared(self) -> Path:
        """Folder that prepare writes: the manifest and what it lists."""
        return self.root / "data" / self.task / "prepared"

    @property
    def model(self) -> Path:
        """Folder that train writes: the model's file and its card."""
        return self.root / "models" / self.task

    @property
    def history(self) -> Path:
        """Folder that train writes: DVCLive's plots and metrics.json."""
        return self.root / "results" / self.task / "history"

    @property
    def metrics(self) -> Path:
        """File that evaluate writes."""
        return self.root / "results" / self.task / "metrics.json"

    @property
    def predictions(self) -> Path:
        """File that evaluate writes: one row a test example."""
        return self.root / "results" / self.task / "predictions.parquet"

    @property
    def confusion(self) -> Path:
        """File that evaluate writes: actual and predicted label, one row a test example."""
        return self.root / "results" / self.task / "confusion.csv"


def find_root(start: Path) -> Path:
    """The nearest folder from `start` upwards that has a params.yaml and a dvc.yaml. Raises TaskError."""
    for folder in (start, *start.parents):
        if (folder / PARAMS_FILE).is_file() and (folder / "dvc.yaml").is_file():
            return folder
    raise TaskError(f"{start} is not inside a repository with {PARAMS_FILE} and dvc.yaml; change into one.")

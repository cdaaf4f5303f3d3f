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
    outputs: Path | None = None
    """Where models and results go instead of `root`, as in a trial that must leave those of the repository alone."""
    overridden: bool = False
    """Values were set by hand for this run: it is not the run of the committed parameters."""

    @property
    def raw(self) -> Path:
        """Folder that fetch writes."""
        return self.root / "data" / self.task / "raw"

    @property
    def prepared(self) -> Path:
        """Folder that prepare writes: the manifest and what it lists."""
        return self.root / "data" / self.task / "prepared"

    @property
    def data_counts(self) -> Path:
        """File that prepare writes: how many examples there are and how many were set aside."""
        return self.output_root / "results" / self.task / "data.json"

    @property
    def model(self) -> Path:
        """Folder that train writes: the model's file and its card."""
        return self.output_root / "models" / self.task

    @property
    def history(self) -> Path:
        """Folder that train writes: DVCLive's plots and metrics.json."""
        return self.output_root / "results" / self.task / "history"

    @property
    def metrics(self) -> Path:
        """File that evaluate writes."""
        return self.output_root / "results" / self.task / "metrics.json"

    @property
    def predictions(self) -> Path:
        """File that evaluate writes: one row a test example."""
        return self.output_root / "results" / self.task / "predictions.parquet"

    @property
    def confusion(self) -> Path:
        """File that evaluate writes: actual and predicted label, one row a test example."""
        return self.output_root / "results" / self.task / "confusion.csv"

    @property
    def pictures(self) -> Path:
        """Folder that evaluate writes: what the model did with examples of the test split."""
        return self.output_root / "results" / self.task / "pictures"

    @property
    def curves(self) -> Path:
        """Folder that plot writes: the history as pictures."""
        return self.output_root / "results" / self.task / "curves"

    @property
    def output_root(self) -> Path:
        """Folder under which everything goes that is made from the prepared data."""
        return self.outputs or self.root


def find_root(start: Path) -> Path:
    """The nearest folder from `start` upwards that has a params.yaml and a dvc.yaml. Raises TaskError."""
    for folder in (start, *start.parents):
        if (folder / PARAMS_FILE).is_file() and (folder / "dvc.yaml").is_file():
            return folder
    raise TaskError(f"{start} is not inside a repository with {PARAMS_FILE} and dvc.yaml; change into one.")

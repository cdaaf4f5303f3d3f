"""A file put among a run's artifacts."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient


def log_file(client: MlflowClient, run_id: str, file: Path, to: str) -> None:
    """Put the file where `to` says, its name included; raises what the client raises."""
    folder, _, name = to.rpartition("/")
    if file.name == name:
        client.log_artifact(run_id, str(file), folder or None)
        return
    with tempfile.TemporaryDirectory(prefix="pawl-") as place:
        shutil.copyfile(file, Path(place, name))  # MLflow takes the name from the file
        client.log_artifact(run_id, str(Path(place, name)), folder or None)

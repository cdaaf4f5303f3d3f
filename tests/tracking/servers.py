"""MLflow servers for these tests: the real one, on SQLite, and what is asked of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.ports import free_port

START_SECONDS = 180


@dataclass
class Server:
    """A server that can be killed and started again at the same address."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db"]
        command += ["--artifacts-destination", str(self.folder / "artifacts")]
        env = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=env, start_new_session=True)
        for _ in range(START_SECONDS * 5):
            assert self.process.poll() is None, (self.folder / "log").read_text()
            try:
                urllib.request.urlopen(f"{self.url}/health", timeout=2).close()
            except OSError:
                time.sleep(0.2)
            else:
                return
        raise AssertionError((self.folder / "log").read_text())

    def end(self, number: int = signal.SIGTERM) -> None:
        """End it, gently or not."""
        if self.process is not None:
            os.killpg(self.process.pid, number)
            self.process.wait(30)
            self.process = None


@contextmanager
def served(folder: Path) -> Iterator[Server]:
    """A server while the block runs."""
    folder.mkdir(parents=True, exist_ok=True)
    server = Server(folder, free_port())
    try:
        server.start()
        yield server
    finally:
        server.end()


def runs_in(uri: str, experiment: str, kind: str = "stage") -> list[Any]:
    """The runs of that kind in an experiment, by their names."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    found = client.get_experiment_by_name(experiment)
    query = f"tags.`pawl.kind` = '{kind}'"
    runs = client.search_runs([found.experiment_id], query) if found else []
    return sorted(runs, key=lambda run: str(run.info.run_name))


def tracking_of(root: Path) -> dict[str, Any]:
    """`tracking.json` of the last run there."""
    found: dict[str, Any] = json.loads((root / "reports" / "tracking.json").read_text())
    return found

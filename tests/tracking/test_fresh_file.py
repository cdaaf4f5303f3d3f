"""A SQLite file that several make at once is made once, and all of them can use it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

AT_ONCE = 4
# Each says when MLflow is imported, and waits for the word: what takes turns here must not be the import.
OPEN = """
import sys
import mlflow
from pawl.tracking.server import client_for
print("ready", flush=True)
sys.stdin.readline()
client = client_for(sys.argv[1])
client.create_run("0", run_name=sys.argv[2])
"""


def test_four_that_begin_at_once_find_one_database(tmp_path: Path) -> None:
    """Half a minute on a busy machine: MLflow is imported four times."""
    from mlflow import MlflowClient

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    source = str(Path(__file__).parents[2] / "src")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, uri, str(number)],
            env={**os.environ, "PYTHONPATH": source},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for number in range(AT_ONCE)
    ]  # fmt: skip
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        ended = [(process.communicate(timeout=300)[1], process.returncode) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert [code for _, code in ended] == [0] * AT_ONCE, "\n".join(error[-600:] for error, code in ended if code)
    runs = MlflowClient(tracking_uri=uri).search_runs(["0"])
    assert {run.info.run_name for run in runs} == {str(number) for number in range(AT_ONCE)}

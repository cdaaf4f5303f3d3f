"""What MLflow costs a training: points delivered beside `mlflow.log_metric`, a run tracked or not, a dead server."""

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
from pathlib import Path

from benchmarks.timing import Pair, Row, git, in_turn, seconds, spent
from tests.e2e.ports import free_port

N_POINTS = 100_000
N_SAMPLED = 1_000
"""Of the plain calls, each of which takes as long as any other: all of them would take a quarter of an hour."""
STEPS, STEP_SECONDS = 600, 0.1
RUNS = 3
TRAIN = f"""
import pathlib, time
from dvclive import Live
rate = pathlib.Path("params.yaml").read_text()
with Live(dir="history", save_dvc_exp=False, dvcyaml=None) as live:
    for step in range({STEPS}):
        end = time.perf_counter() + {STEP_SECONDS}
        while time.perf_counter() < end:
            pass
        live.log_metric("loss", 1 / (1 + step))
        live.next_step()
pathlib.Path("model.txt").write_text(rate)
"""
PIPELINE = """
stages:
  train:
    cmd: python train.py
    deps: [train.py]
    params: [rate]
    outs: [model.txt]
    plots:
      - history/plots: {x: step}
"""


def rows(scratch: Path) -> list[Row]:
    """Points delivered to a real server; a training with tracking and without; with a server that is not there."""
    with _served(scratch / "server") as url:
        return [_points(scratch, url), _tracked(scratch / "tracked", url), _unreachable(scratch / "dead")]


def _points(scratch: Path, url: str) -> Row:
    import mlflow

    from pawl.tracking.deliver import deliver
    from pawl.tracking.events import MAX_POINTS, Begun, Complete, Ended, Points
    from pawl.tracking.spool import Spool

    def ours(number: int) -> float:
        spool, now = Spool(scratch / f"spool-{number}"), int(time.time() * 1_000)
        spool.add(Begun(run=f"run-{number}", name="ours", kind="stage", experiment="bench", at_ms=now, tags={}))
        for start in range(0, N_POINTS, MAX_POINTS):
            points = tuple(("loss", 1 / (1 + n), n, now + n) for n in range(start, start + MAX_POINTS))
            spool.add(Points(run=f"run-{number}", points=points))
        spool.add(Ended(run=f"run-{number}", status="FINISHED", at_ms=now), Complete(run=f"run-{number}", key="key"))
        spool.close()
        return spent(lambda: deliver([spool.folder], url))

    def theirs() -> float:
        mlflow.set_tracking_uri(url)
        mlflow.set_experiment("plain")
        with mlflow.start_run():
            begun = time.perf_counter()
            for step in range(N_SAMPLED):
                mlflow.log_metric("loss", 1 / (1 + step), step=step)
            return (time.perf_counter() - begun) * N_POINTS / N_SAMPLED

    theirs()
    both = [(ours(number), theirs()) for number in range(RUNS)]
    os.environ.pop("MLFLOW_TRACKING_URI", None)  # set by mlflow; those who run pawl below are told in pawl.yaml
    pair = Pair(tuple(a for a, _ in both), tuple(b for _, b in both))
    peer = f"mlflow.log_metric, {N_SAMPLED:,} calls, scaled"
    return pair.rate_row(f"{N_POINTS:,} metric points to a server, read back", N_POINTS, "points", peer, "at least 20")


def _repository(root: Path) -> None:
    (root / ".dvc").mkdir(parents=True)
    git(root.parent, "init", "--quiet", "--initial-branch=main", str(root))
    files = {
        ".dvc/config": "[core]\n    analytics = false\n",
        ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n",
        ".gitignore": "model.txt\nhistory\nreports\n",
        "dvc.yaml": PIPELINE,
        "params.yaml": "rate: 0\n",
        "train.py": TRAIN,
    }
    for name, text in files.items():
        (root / name).write_text(text, encoding="utf-8")


def _train(root: Path, number: int, settings: str) -> tuple[float, float]:
    """Wall seconds of `pawl run` with another parameter, and of its stage alone."""
    (root / "params.yaml").write_text(f"rate: {number}\n", encoding="utf-8")
    (root / "pawl.yaml").write_text(settings, encoding="utf-8")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "work")
    wall = seconds(["pawl", "run", "--base", "HEAD", "--all", "--no-pictures"], root)
    stages = json.loads((root / "reports" / "stages.json").read_text(encoding="utf-8"))["stages"]
    [trained] = [stage for stage in stages if stage["outcome"] == "trained"]
    return wall, trained["seconds"]


def _tracked(scratch: Path, url: str) -> Row:
    """The stage's own seconds: what following it and delivering beside it take from it."""
    scratch.mkdir()
    _repository(scratch / "root")
    number = iter(range(1, 1_000))

    def run(settings: str) -> float:
        return _train(scratch / "root", next(number), settings)[1]

    pair = in_turn(
        lambda: run(f"tracking: {{uri: '{url}'}}\n"), lambda: run("tracking: {enabled: false}\n"), RUNS, warm_up=False
    )
    return pair.row(f"a training of {STEPS * STEP_SECONDS:.0f} s, tracked", "not tracked", "below 1.02")


def _unreachable(scratch: Path) -> Row:
    """Seconds of a whole run beyond its stage's, with a server that is not there and with none."""
    scratch.mkdir()
    _repository(scratch / "root")
    train = scratch / "root" / "train.py"
    train.write_text(TRAIN.replace(f"range({STEPS})", "range(10)"), encoding="utf-8")
    number = iter(range(1, 1_000))

    def run(settings: str) -> float:
        wall, stage = _train(scratch / "root", next(number), settings)
        return wall - stage

    pair = in_turn(
        lambda: run(f"tracking: {{uri: 'http://127.0.0.1:{free_port()}'}}\n"),
        lambda: run("tracking: {enabled: false}\n"),
        RUNS,
    )
    return pair.row("a run with a server that is not there", "tracking off", "at most 1 s more")


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    folder.mkdir()
    url = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", url.rpartition(":")[2]]
    command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    env = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=env, start_new_session=True)
        try:
            while True:
                if server.poll() is not None:
                    raise SystemExit((folder / "log").read_text(encoding="utf-8"))
                try:
                    urllib.request.urlopen(f"{url}/health", timeout=2).close()
                except OSError:
                    time.sleep(0.2)
                else:
                    break
            yield url
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(30)

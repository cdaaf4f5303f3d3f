"""A repository with a pull request to be measured, and a GitHub, a bucket and an MLflow, each behind a proxy."""

from __future__ import annotations

import copy
import itertools
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.e2e.ports import free_port
from tests.e2e.storage import serve_bucket
from tests.e2e.world import REPOSITORY, SLUG, World, make_world
from tests.fakes.github import FakeGitHub
from tests.fakes.github_state import Comment
from tests.faults.proxy import FaultProxy
from tests.faults.warm import warm_programs
from tests.faults.workflow import BIN, Run
from tests.support.repositories import git

NUMBER = 7
MLFLOW_START_SECONDS = 120


@dataclass
class Site:
    """What the runs of a matrix share; each has a GitHub and proxies of its own, so that they may go on together."""

    folder: Path
    world: World
    bucket_url: str
    mlflow_url: str | None
    event: dict[str, Any]
    merge: str
    """GitHub's merge of the pull request with main, which a run measures."""
    patience_seconds: int
    stack: ExitStack
    programs: Path = BIN
    """Where `pawl` is."""
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def visit(self, name: str, *, dispatched: bool = False) -> Visit:
        """A pull request that no run has looked at yet."""
        stack = self.stack.enter_context(ExitStack())
        github = stack.enter_context(FakeGitHub())
        shared, own = self.world.github.state, github.state
        own.tokens, own.pulls, own.contents = shared.tokens, shared.pulls, copy.deepcopy(shared.contents)
        addresses = {"github": github.url, "bucket": self.bucket_url}
        if self.mlflow_url:
            addresses["mlflow"] = self.mlflow_url
        proxies = {name: stack.enter_context(FaultProxy(url)) for name, url in addresses.items()}
        return Visit(self, self.folder / "runs" / f"{next(self.numbers)}-{name}", github, proxies, stack, dispatched)


@dataclass
class Visit:
    """A pull request with the services that its runs meet, and the runner that they run on."""

    site: Site
    folder: Path
    github: FakeGitHub
    proxies: dict[str, FaultProxy]
    services: ExitStack
    """What ends GitHub and the proxies, where that is not to wait for the end of the site."""
    dispatched: bool = False
    attempts: int = 0

    @property
    def machine(self) -> Path:
        """What outlives a job."""
        return self.folder / "machine"

    def run(self) -> Run:
        """The next attempt of the workflow, not begun."""
        self.attempts += 1
        folder = self.folder / f"attempt-{self.attempts}"
        folder.mkdir(parents=True)
        head, base = (self.site.event["pull_request"][side]["sha"] for side in ("head", "base"))
        event = self.site.event
        if self.dispatched:
            inputs = {"pull_request": str(NUMBER), "commit": head}
            event = {"inputs": inputs, "ref": "refs/heads/main", "repository": REPOSITORY}
        (folder / "event.json").write_text(json.dumps(event), encoding="utf-8")
        settings = replace(self.site.world, bucket_url=self.proxies["bucket"].url).environment(self.machine)
        environment = {
            **{name: value for name, value in os.environ.items() if name.startswith("GIT_CONFIG")},
            **settings,
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": self.proxies["github"].url,
            "GITHUB_EVENT_NAME": "workflow_dispatch" if self.dispatched else "pull_request",
            "GITHUB_EVENT_PATH": str(folder / "event.json"),
            "GITHUB_RUN_ID": "1001",
            "GITHUB_RUN_ATTEMPT": str(self.attempts),
            "GITHUB_SERVER_URL": "https://github.test",
            "GITHUB_SHA": base if self.dispatched else self.site.merge,
            "STAGE_RECORD": str(self.machine / "stages.jsonl"),
            "PAWL_PATIENCE_SECONDS": str(self.site.patience_seconds),
            "MLFLOW_HTTP_REQUEST_TIMEOUT": "2",
            "OMP_NUM_THREADS": "1",
            "LANG": "C.UTF-8",
        }
        uri = self.proxies["mlflow"].url if "mlflow" in self.proxies else f"sqlite:///{self.machine / 'mlflow.db'}"
        return Run(
            self.site.world.origin, folder, self.machine, environment, {"MLFLOW_TRACKING_URI": uri}, self.site.programs
        )

    def comments(self) -> list[Comment]:
        """The comments on the pull request."""
        return self.github.comments(SLUG, NUMBER)

    def states(self) -> list[str]:
        """The statuses that were set, oldest first."""
        return [status.state for status in self.github.state.statuses]


@contextmanager
def open_site(folder: Path, *, patience_seconds: int, with_mlflow: bool = False, warm: bool = False) -> Iterator[Site]:
    """A site in which main's results are in the bucket, and a pull request makes them better.

    `warm`: `pawl` has its imports behind it; `tests.faults.warm` says how.
    """
    with ExitStack() as stack:
        mlflow_url = stack.enter_context(serve_mlflow(folder / "mlflow")) if with_mlflow else None
        github = stack.enter_context(FakeGitHub())
        bucket_url = stack.enter_context(serve_bucket(folder / "bucket"))
        programs = stack.enter_context(warm_programs(folder / "programs", ours=True)) if warm else None
        world = make_world(folder / "world", github, bucket_url, programs=programs)
        world.push_results("main")
        event = world.open_pull_request(
            NUMBER, "faster", {"params.yaml": "train:\n  # Step size.\n  rate: 2.0\n"}, "Raise the rate"
        )
        merge = git(world.work, "rev-parse", "HEAD")
        yield Site(folder, world, bucket_url, mlflow_url, event, merge, patience_seconds, stack, programs or BIN)


@contextmanager
def serve_mlflow(folder: Path) -> Iterator[str]:
    """The address of a real MLflow server; it ends with the block."""
    folder.mkdir(parents=True)
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder)]
    env = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=env, start_new_session=True)
        try:
            _wait_until_healthy(f"http://127.0.0.1:{port}", server, folder / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(server.pid, 15)
            server.wait(30)


def _wait_until_healthy(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(MLFLOW_START_SECONDS * 5):
        assert server.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(f"{url}/health", timeout=2).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError(log.read_text())

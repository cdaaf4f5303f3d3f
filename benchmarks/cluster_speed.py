"""`pawl noise` of the six tasks on a Ray cluster of two nodes, beside one node: each is held to a core of its own.

A node, one of Ray's on 127.0.0.1 with all that it starts, has one CPU, and so runs one stage at a time. The process
that gives the orders runs on the nodes' cores, as where it is called on one of the machines: with one node it shares
that core, with two both. What it costs is in the seconds of either way, and no third core does any of it. MLflow is not
told, which would be the work of one more process.
"""

from __future__ import annotations

import os
import resource
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from benchmarks.fleet import DRIVER_SECONDS, ORDER_SECONDS
from benchmarks.six_tasks import TASKS, clone_of
from benchmarks.timing import SOURCE, Pair, Row, git, in_turn, seconds

QUICK_TASKS, QUICK_SEEDS = ("tabular", "digits"), 2
SEEDS = 5
_MEBIBYTES = 256
_END_SECONDS = 30.0
_NODES = {1: "one node", 2: "two nodes"}


@dataclass(frozen=True)
class Command:
    """A stage's command as a node ran it."""

    stage: str
    """Such as train."""
    began: float
    """Unix time, in whole seconds."""
    seconds: float


@dataclass(frozen=True)
class Way:
    """All trainings on so many nodes."""

    nodes: int
    began: float
    """Unix time."""
    wall_seconds: float
    cpu_seconds: float
    """Of the process that gave the orders."""
    idle_cpu_seconds: float
    """The same of a second `pawl noise`, which finds all results and gives no order."""
    commands: Sequence[Command]
    metrics: object

    @property
    def command_seconds(self) -> float:
        """Of all commands together."""
        return sum(command.seconds for command in self.commands)

    @property
    def first(self) -> float:
        """When the first command began, Unix time."""
        return min(command.began for command in self.commands)

    @property
    def last(self) -> float:
        """When the last command ended, Unix time."""
        return max(command.began + command.seconds for command in self.commands)

    @property
    def order_seconds(self) -> float:
        """How long a node was without a command between two of them, on average; with several, waiting counts too."""
        without = (self.last - self.first) * self.nodes - self.command_seconds
        return without / (len(self.commands) - self.nodes)

    def lines(self) -> list[str]:
        """Where the seconds went."""
        spent = dict.fromkeys(("fetch", "prepare", "train", "evaluate"), 0.0)
        for command in self.commands:
            spent[command.stage] += command.seconds
        count, end = len(self.commands), self.began + self.wall_seconds
        return [
            f"{_NODES[self.nodes]}: {self.wall_seconds:.1f} s, {self.first - self.began:.1f} s of it before the first "
            f"command and {end - self.last:.1f} s after the last; {count} commands took {self.command_seconds:.1f} s: "
            + ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in spent.items()),
            f"  an order, beyond its command: {self.order_seconds:.2f} s of a node (ORDER_SECONDS {ORDER_SECONDS}); "
            f"{(self.cpu_seconds - self.idle_cpu_seconds) / count:.3f} CPU s of the process that gave it, and "
            f"{self.cpu_seconds / count:.3f} with its start, restoring and end (DRIVER_SECONDS {DRIVER_SECONDS})",
        ]


def rows(scratch: Path, *, quick: bool = False) -> list[Row]:
    """Both ways once, each in a fresh clone with a fresh remote: most of half an hour; quick: minutes, of two tasks."""
    tasks, seeds = (QUICK_TASKS, QUICK_SEEDS) if quick else (TASKS, SEEDS)
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        raise SystemExit("two nodes need a core each")
    print(f"benchmark: {len(tasks)} tasks with {seeds} other seeds on two nodes, then on one", flush=True)
    ways: dict[int, Way] = {}

    def measured(nodes: int) -> float:
        ways[nodes] = _way(scratch / f"nodes-{nodes}", tasks, seeds, cores[:nodes])
        print("\n".join(ways[nodes].lines()), flush=True)
        return ways[nodes].wall_seconds

    two = in_turn(lambda: measured(2), lambda: measured(1), runs=1, warm_up=False)
    assert ways[1].metrics == ways[2].metrics, "both ways must have made the same"
    pair = Pair(two.theirs, two.ours)
    return [pair.row(f"{len(tasks)} tasks, own and {seeds} other seeds, one node", "two nodes", "at least 1.8")]


def _way(folder: Path, tasks: Sequence[str], seeds: int, cores: Sequence[int]) -> Way:
    from pawl.schema import Noise

    folder.mkdir()
    root = clone_of(folder / "clone", tasks)
    (root / ".dvc" / "config.local").write_text(
        f"[core]\n    remote = store\n['remote \"store\"']\n    url = {folder / 'store'}\n", encoding="utf-8"
    )
    with (root / "pawl.yaml").open("a", encoding="utf-8") as settings:
        settings.write("tracking: {enabled: false}\n")
    git(root, "commit", "--quiet", "--all", "--message", "untracked")
    with _cluster(folder, cores) as address:
        held = ("taskset", "--cpu-list", ",".join(map(str, cores)))
        command = [*held, "pawl", "noise", "--base", "HEAD", "--seeds", str(seeds)]
        command += ["--engine", "ray", "--address", address]
        began = time.time()
        walls, cpus = zip(*(_spent(command, root) for _ in range(2)), strict=True)
    for number in range(len(cores)):
        assert any((folder / f"node-{number}" / "checkouts").iterdir()), f"node {number} was given nothing"
    commands = _commands(root / ".dvc" / "cache")
    # fetch and prepare once, train and evaluate with each seed.
    assert len(commands) == len(tasks) * (2 + 2 * (1 + seeds)), f"{len(commands)} commands"
    noise = Noise.model_validate_json((root / "noise.json").read_bytes())
    return Way(len(cores), began, walls[0], cpus[0], cpus[1], commands, noise.metrics)


def _spent(command: Sequence[str], root: Path) -> tuple[float, float]:
    """Wall and CPU seconds of the command, with the processes that it waited for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall = seconds(command, root)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _commands(cache: Path) -> list[Command]:
    """What the records say that came back with the results."""
    import yaml

    from pawl.schema import Origin

    found = []
    for path in sorted((cache / "pawl" / "origins").glob("*/*/*.json")):
        origin = Origin.model_validate_json(path.read_bytes())
        receipt = cache / "runs" / path.relative_to(cache / "pawl" / "origins").with_suffix("")
        stage = yaml.safe_load(receipt.read_text(encoding="utf-8"))["cmd"].split()[-2]
        found.append(Command(stage, datetime.fromisoformat(origin.started_at).timestamp(), origin.usage.seconds))
    return found


@contextmanager
def _cluster(folder: Path, cores: Sequence[int]) -> Iterator[str]:
    """A node held to each of the cores, with a token, and its address; in the end no process is left of it.

    The nodes are started by a process that ends them when its standard input ends, and so with this one too.
    """
    from pawl.pipeline.orphans import no_orphans

    # Addresses of sockets may have 107 characters.
    place = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    settings = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        # On Linux: nodes stay at 127.0.0.1 and open no port elsewhere.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_TMPDIR": place,
        "CUDA_VISIBLE_DEVICES": "",  # what is measured are cores
    }
    with _variables(settings), no_orphans():
        nodes = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.cluster_speed", str(folder), *map(str, cores)],
            cwd=SOURCE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the process that gives orders
        )
        assert nodes.stdin is not None
        assert nodes.stdout is not None
        try:
            address = nodes.stdout.readline().strip()
            if not address:
                raise SystemExit("the cluster did not begin: it needs requirements-cluster.txt")
            yield address
        finally:
            nodes.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                nodes.wait(_END_SECONDS)
            nodes.stdout.close()
            shutil.rmtree(place, ignore_errors=True)


def _serve(folder: Path, cores: Sequence[int]) -> None:
    """Start a node of one CPU on each core, say the address, and end them with standard input."""
    address = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what Ray prints is no address

    from ray.cluster_utils import Cluster

    cluster = Cluster()
    try:
        for number, core in enumerate(cores):
            os.sched_setaffinity(0, {core})  # and so what is started from here
            cluster.add_node(
                num_cpus=1,
                num_gpus=0,
                object_store_memory=_MEBIBYTES * 2**20,
                include_dashboard=False,
                node_ip_address="127.0.0.1",
                env_vars={"PAWL_NODE_FOLDER": str(folder / f"node-{number}")},
            )
        address.write(f"{cluster.address}\n")
        address.flush()
        sys.stdin.read()
    finally:
        cluster.shutdown()


@contextmanager
def _variables(wanted: Mapping[str, str]) -> Iterator[None]:
    """These in the environment, and no others of Ray's: a token or an address given otherwise is another cluster's."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("RAY_")]:
        del os.environ[name]
    os.environ.update(wanted)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), [int(core) for core in sys.argv[2:]])

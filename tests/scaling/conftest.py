"""A Ray cluster of several nodes in this machine, with a token, on 127.0.0.1 only."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

_SETTINGS = {
    "RAY_AUTH_MODE": "token",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # on Linux: the nodes are at 127.0.0.1, whatever the machine is called
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
}


@dataclass
class Machines:
    """The cluster; its first node has no CPU, so that all the others can be killed."""

    cluster: Any
    folder: Path
    nodes: list[Any] = field(default_factory=list)

    @property
    def address(self) -> str:
        """HOST:PORT for drivers."""
        return str(self.cluster.address)

    def add(self, cpus: int = 1, gpus: int = 0) -> Any:
        """One more node, with a folder of its own."""
        folder = self.folder / f"node-{len(self.nodes)}-{secrets.token_hex(3)}"
        node = self.cluster.add_node(num_cpus=cpus, num_gpus=gpus, env_vars={"PAWL_NODE_FOLDER": str(folder)})
        node.node_folder = folder
        self.nodes.append(node)
        return node

    def kill(self, node: Any) -> None:
        """As when its power goes."""
        self.nodes.remove(node)
        self.cluster.remove_node(node, allow_graceful=False)

    def only(self, count: int) -> None:
        """See to it that there are so many nodes of one CPU."""
        for node in [*self.nodes]:
            self.kill(node)
        for _ in range(count):
            self.add()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    # Addresses of sockets may have 107 characters, which a folder of pytest's would use up.
    short = Path(os.environ.get("TMPDIR", "/tmp"), f"ray-{os.getpid()}")
    before = dict(os.environ)
    os.environ.update(_SETTINGS | {"RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_TMPDIR": str(short)})
    heard = signal.getsignal(signal.SIGTERM)
    from ray.cluster_utils import Cluster

    short.mkdir(mode=0o700, exist_ok=True)
    nodes = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "include_dashboard": False, "node_ip_address": "127.0.0.1"},
    )
    try:
        yield Machines(nodes, tmp_path_factory.mktemp("machines"))
    finally:
        nodes.shutdown()
        signal.signal(signal.SIGTERM, heard)
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture
def machines(cluster: Machines) -> Machines:
    """Two nodes of one CPU, fresh ones where a test before has killed one."""
    if len(cluster.nodes) != 2:
        cluster.only(2)
    return cluster

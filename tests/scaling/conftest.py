"""A Ray cluster of two nodes in this machine, whose nodes can be killed and have folders of their own."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.ray_cluster import RayCluster, ray_cluster


@dataclass
class Machines:
    """The cluster, and where each node keeps what it makes."""

    cluster: RayCluster
    folder: Path
    nodes: dict[Path, int] = field(default_factory=dict)
    """Folder -> process id of the raylet."""

    @property
    def address(self) -> str:
        """HOST:PORT for drivers."""
        return self.cluster.environment["RAY_ADDRESS"]

    def add(self, cpus: int = 1, gpus: int = 0) -> None:
        """One more node, with a folder of its own; it knows the bucket that this process knows."""
        folder = self.folder / f"node-{secrets.token_hex(4)}"
        bucket = {name: os.environ[name] for name in ("STORAGE_EMULATOR_HOST",) if name in os.environ}
        self.nodes[folder] = self.cluster.add_node(cpus, gpus, {"PAWL_NODE_FOLDER": str(folder), **bucket})

    def kill(self, folder: Path) -> None:
        """As when its power goes."""
        self.cluster.kill_node(self.nodes.pop(folder))

    def only(self, count: int) -> None:
        """See to it that there are so many nodes, fresh ones of one CPU."""
        for folder in [*self.nodes]:
            self.kill(folder)
        for _ in range(count):
            self.add()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """No node yet but the first, which has no CPU."""
    before = dict(os.environ)
    with ray_cluster(0) as running:
        os.environ.update(running.environment)
        try:
            yield Machines(running, tmp_path_factory.mktemp("machines"))
        finally:
            os.environ.clear()
            os.environ.update(before)


@pytest.fixture
def machines(cluster: Machines) -> Machines:
    """Two nodes of one CPU, fresh ones where a test before has killed one."""
    if len(cluster.nodes) != 2:
        cluster.only(2)
    return cluster

"""Real trainings on clusters in this machine measure what they measure here, to the last bit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.support.ray_cluster import ray_cluster
from tests.support.slurm import IS_INSTALLED, slurm
from tests.tasks.checkouts import change_params
from tests.tasks.tune.studies import trained_on

VALUES = [{"train.learning_rate": rate} for rate in (0.001, 0.003, 0.01)]


@pytest.fixture(scope="module")
def trained_here(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    """A root in which networks are trained, and what three trials come to in processes of this machine."""
    root = Path(shutil.copytree(prepared, tmp_path_factory.mktemp("clusters") / "root"))
    change_params(root, {"tabular.train.model": "mlp", "tabular.train.epochs": 3})
    return root, trained_on(root, "local", VALUES, {})


def test_trials_on_ray_measure_the_same(trained_here):
    """About 25 s, of which the cluster takes 8 s to start."""
    pytest.importorskip("ray")
    root, here = trained_here
    assert len({json.loads(result)["value"] for result in here.values()}) == 3
    with ray_cluster(2) as cluster:
        assert trained_on(root, "ray", VALUES, cluster.environment) == here


@pytest.mark.skipif(not IS_INSTALLED, reason="needs Slurm's daemons")
def test_trials_on_slurm_measure_the_same(trained_here):
    pytest.importorskip("submitit")
    root, here = trained_here
    with slurm() as cluster:
        assert trained_on(root, "slurm", VALUES, cluster.environment) == here

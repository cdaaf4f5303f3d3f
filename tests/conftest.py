"""What holds for every test: nothing of the developer's own git, DVC or MLflow settings, and no network."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# What is started in the background of a shell is deaf to Ctrl-C, and so would be what the tests start and interrupt.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Models this small gain nothing by threads, which spend the cores of the other workers in waiting. Before anything is
# imported that reads these.
os.environ |= dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1"
)

# A busy machine is no reason for a test to fail.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(autouse=True, scope="session")
def _own_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    home = tmp_path_factory.mktemp("home")
    (home / "gitconfig").write_text('[init]\n\tdefaultBranch = main\n[protocol "file"]\n\tallow = always\n')
    settings = {
        "GIT_CONFIG_GLOBAL": str(home / "gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "DVC_GLOBAL_CONFIG_DIR": str(home / "dvc"),
        "DVC_SITE_CACHE_DIR": str(home / "dvc-site"),
        "DVC_NO_ANALYTICS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # Stages say `python`, which a machine may have nowhere but beside the Python that runs this.
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
    }
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(("GITHUB_", "MLFLOW_", "PAWL_"))]:
        del os.environ[name]
    os.environ.update(settings)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A DVC repository with the stages train and evaluate, on main, nothing reproduced."""
    from tests.support.repositories import make_repository

    return make_repository(tmp_path / "repository")

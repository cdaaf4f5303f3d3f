"""One database for each file of tests, because MLflow takes seconds to make its tables."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.registry.site import Site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("registry")
    made = Site(f"sqlite:///{folder}/mlflow.db", folder / "packages", itertools.count(1))
    made.client().create_experiment("ct", artifact_location=str(folder / "artifacts"))
    return made


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an MLflow without runs, which the commands are told of."""
    with pytest.MonkeyPatch.context() as told:
        uri = f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"
        told.setenv("MLFLOW_TRACKING_URI", uri)
        yield uri

"""The services that every scenario shares, and a world of its own for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.storage import serve_bucket
from tests.e2e.world import World, make_world
from tests.fakes.github import FakeGitHub
from tests.faults.warm import warm_programs


@pytest.fixture(scope="session")
def bucket_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve_bucket(tmp_path_factory.mktemp("e2e") / "bucket") as url:
        yield url


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    with FakeGitHub() as server:
        yield server


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the runners' Python is, with its imports behind it."""
    with warm_programs(tmp_path_factory.mktemp("e2e-programs") / "bin", ours=False) as folder:
        yield folder


@pytest.fixture(scope="session")
def main_with_results(tmp_path_factory: pytest.TempPathFactory, bucket_url: str, programs: Path) -> Path:
    """The `work` folder of a small repository whose main has its results in the bucket, and only there."""
    with FakeGitHub() as nobody:
        world = make_world(tmp_path_factory.mktemp("e2e-main"), nobody, bucket_url, programs=programs)
        world.push_results("main")
    return world.work


@pytest.fixture
def world(tmp_path: Path, github: FakeGitHub, bucket_url: str, main_with_results: Path, programs: Path) -> World:
    return make_world(tmp_path / "world", github, bucket_url, main_with_results, programs)


@pytest.fixture
def cold_world(tmp_path: Path, github: FakeGitHub, bucket_url: str, main_with_results: Path) -> World:
    """One whose runners have a Python as any has it: it imports everything in every step."""
    return make_world(tmp_path / "world", github, bucket_url, main_with_results)

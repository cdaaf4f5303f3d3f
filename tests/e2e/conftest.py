"""The services that every scenario shares, and a world of its own for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.storage import serve_bucket
from tests.e2e.world import World, make_world
from tests.fakes.github import FakeGitHub


@pytest.fixture(scope="session")
def bucket_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve_bucket(tmp_path_factory.mktemp("e2e") / "bucket") as url:
        yield url


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    with FakeGitHub() as server:
        yield server


@pytest.fixture(scope="session")
def main_with_results(tmp_path_factory: pytest.TempPathFactory, bucket_url: str) -> Path:
    """The `work` folder of a small repository whose main has its results in the bucket, and only there."""
    with FakeGitHub() as nobody:
        world = make_world(tmp_path_factory.mktemp("e2e-main"), nobody, bucket_url)
        world.push_results("main")
    return world.work


@pytest.fixture
def world(tmp_path: Path, github: FakeGitHub, bucket_url: str, main_with_results: Path) -> World:
    return make_world(tmp_path / "world", github, bucket_url, main_with_results)

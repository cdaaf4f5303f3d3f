"""One server for all tests that leave it as it was: it takes half a minute to start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server.world import World, open_world


@pytest.fixture(scope="package")
def world() -> Iterator[World]:
    with open_world() as world:
        yield world

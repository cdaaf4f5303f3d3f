"""The bucket fails in every way at every step that reads it; 45 cells, about two minutes of mostly waiting."""

from __future__ import annotations

import pytest

from tests.faults.cells import Cell, cells
from tests.faults.documented import documented
from tests.faults.matrix import play_all
from tests.faults.site import open_site

CELLS = cells("bucket")


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[Cell, str | AssertionError]:
    with open_site(tmp_path_factory.mktemp("bucket"), patience_seconds=12, warm=True) as site:
        return play_all(site, CELLS)


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: f"{cell.place.title}: {cell.row}")
def test_bucket(cell: Cell, outcomes: dict[Cell, str | AssertionError]) -> None:
    outcome = outcomes[cell]
    if isinstance(outcome, AssertionError):
        raise outcome
    assert outcome == documented("The bucket", cell.row, cell.place.title)

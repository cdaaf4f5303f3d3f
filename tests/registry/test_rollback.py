"""Taking a champion back, with a real database."""

from __future__ import annotations

import pytest

from pawl.errors import InputError
from pawl.registry.rollback import roll_back_champion
from pawl.registry.versions import versions_of
from tests.registry.site import Site, promote


def test_a_rollback_leads_to_the_one_before_and_to_the_one_before_that(site: Site) -> None:
    name, client = site.name(), site.client()
    for order, decision in ((1, "champion"), (2, "champion"), (3, "candidate"), (4, "champion")):
        promote(site, client, name, order, decision)  # type: ignore[arg-type]
    before = {version.version: (version.source, version.description) for version in versions_of(client, name)}
    back = roll_back_champion(client, name)
    assert (back.before, back.now) == (4, 2)
    assert client.get_registered_model(name).aliases == {"candidate": 4, "champion": 2}
    back = roll_back_champion(client, name)
    assert (back.before, back.now) == (2, 1)
    with pytest.raises(InputError, match="was champion before version 1"):
        roll_back_champion(client, name)
    assert {version.version: (version.source, version.description) for version in versions_of(client, name)} == before
    # The same commit again does not undo it; a new one is measured beside what is champion now.
    promote(site, client, name, 4, "champion")
    assert int(client.get_registered_model(name).aliases["champion"]) == 1
    assert promote(site, client, name, 5, "champion").champion_now == 5

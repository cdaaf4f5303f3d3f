"""Registering with a real database: which versions, marks and aliases come of it, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

from pawl.errors import ServiceError
from pawl.registry.registering import MovedError, register_model
from pawl.registry.versions import settle_aliases, versions_of
from pawl.schema.promotion import PromotedModel
from tests.registry.breaking_in import Watched
from tests.registry.site import COMMITS, Site, model, present, promote, promotion, state


def test_promoting_makes_one_version_however_often(site: Site) -> None:
    name, client = site.name(), site.client()
    first = promote(site, client, name, 1, "champion")
    once = state(client, name)
    again = promote(site, client, name, 1, "champion")
    assert (first.version, first.champion_now) == (again.version, again.champion_now) == (1, 1)
    assert state(client, name) == once
    assert once["count"] == 1
    [version] = versions_of(client, name)
    assert version.tags["pawl.commit"] == COMMITS[1]
    assert version.tags["pawl.pull_request"] == "1"
    assert f"https://github.com/a/ct/commit/{COMMITS[1]}" in version.description
    assert "[pull request 1](https://github.com/a/ct/pull/1)" in version.description
    assert "| `accuracy` | 0.8 | 0.9 | better |" in version.description


def test_what_does_not_hold_is_candidate_alone(site: Site) -> None:
    name, client = site.name(), site.client()
    promote(site, client, name, 1, "champion")
    second = promote(site, client, name, 2, "candidate")
    assert (second.version, second.champion_now) == (2, 1)
    assert client.get_registered_model(name).aliases == {"candidate": 2, "champion": 1}


def test_the_same_package_again_is_the_same_version_and_the_candidate(site: Site) -> None:
    name, client = site.name(), site.client()
    promote(site, client, name, 1, "champion")
    promote(site, client, name, 2, "candidate")
    back = promote(site, client, name, 3, "unchanged", package=1)
    assert (back.version, back.champion_now) == (1, 1)
    assert client.get_registered_model(name).aliases == {"candidate": 1, "champion": 1}


def test_a_decision_beside_another_champion_does_not_count(site: Site) -> None:
    name, client = site.name(), site.client()
    promote(site, client, name, 1, "champion")
    measured = model(name, 3, "champion", present(client, name, 3))
    promote(site, client, name, 2, "champion")
    with pytest.raises(MovedError, match="run `pawl promote` again"):
        register_model(site.registry(client), promotion(3), measured)
    assert client.get_registered_model(name).aliases == {"candidate": 2, "champion": 2}


def test_what_the_store_did_not_keep_makes_no_version(site: Site, tmp_path: Path) -> None:
    name = site.name()
    (tmp_path / "model.py").touch()

    class Lossy(Watched):
        def log_artifacts(self, run_id: str, folder: str, place: str) -> None:
            self.client.log_artifact(run_id, f"{folder}/MLmodel", place)

    class Short(Watched):
        def log_artifacts(self, run_id: str, folder: str, place: str) -> None:
            self.client.log_artifacts(run_id, folder, place)
            self.client.log_artifact(run_id, str(tmp_path / "model.py"), f"{place}/code")

    for kind in (Lossy, Short):
        with pytest.raises(ServiceError, match=r"has not kept packages/1{16}/code/model.py \(1 of 2 files\)"):
            promote(site, kind(site.client(), lambda _: None), name, 1, "champion")
        assert versions_of(site.client(), name) == []


def test_a_run_that_others_may_write_is_not_where_a_version_lies(site: Site) -> None:
    """The run of the stage, where it is in main's experiment; never one of a pull request's."""
    client, name = site.client(), site.name()
    key = "5" * 64
    other = client.create_experiment(f"{name} branches", artifact_location=str(site.folder.parent / "other"))
    theirs = client.create_run(other, tags={"pawl.stage_key": key})
    client.set_terminated(theirs.info.run_id)
    asked = replace_key(model(name, 1, "champion"), key)
    register_model(site.registry(client), promotion(1), asked)
    [version] = versions_of(client, name)
    assert version.run_id != theirs.info.run_id

    ours = client.create_run(client.get_experiment_by_name("ct").experiment_id, tags={"pawl.stage_key": "6" * 64})
    client.set_terminated(ours.info.run_id)
    asked = replace_key(model(name, 2, "champion", present(client, name, 2)), "6" * 64)
    register_model(site.registry(client), promotion(2), asked)
    assert versions_of(client, name)[-1].run_id == ours.info.run_id


def replace_key(asked: PromotedModel, key: str) -> PromotedModel:
    return asked.model_copy(update={"stage_key": key})


def test_aliases_that_somebody_moves_by_hand_are_put_right(site: Site) -> None:
    name, client = site.name(), site.client()
    promote(site, client, name, 1, "champion")
    promote(site, client, name, 2, "champion")
    client.set_registered_model_alias(name, "champion", "1")
    assert settle_aliases(client, name) == {"champion": 2, "candidate": 2}


def test_a_refusal_of_the_server_is_no_end_of_the_world(site: Site) -> None:
    """What is refused is told, and nothing is half there."""
    name = site.name()

    def refuse(what: str) -> None:
        if what == "create_registered_model":
            raise MlflowException("Permission denied", error_code=1)

    with pytest.raises(MlflowException):
        promote(site, Watched(site.client(), refuse), name, 1, "champion")
    assert promote(site, site.client(), name, 1, "champion").champion_now == 1

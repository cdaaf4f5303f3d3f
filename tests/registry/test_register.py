"""Registering with a real database: killed at every call, and two commits at once in every order; one end."""

from __future__ import annotations

import itertools
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from pawl.errors import InputError, ServiceError
from pawl.registry.marks import champion
from pawl.registry.registering import MovedError, Registry, register_model
from pawl.registry.rollback import roll_back_champion
from pawl.registry.signing import Signing
from pawl.registry.versions import all_marks, settle_aliases, versions_of
from pawl.schema import Revision
from pawl.schema.promotion import Champion, Decision, PromotedMetric, PromotedModel, Promotion

COMMITS = {order: f"{order:x}" * 40 for order in range(1, 10)}
PACKAGES = {order: f"{order:x}" * 32 for order in range(1, 10)}


@dataclass
class Site:
    """A database, and a model of its own for each test."""

    uri: str
    folder: Path
    numbers: Iterator[int]

    def client(self) -> MlflowClient:
        return MlflowClient(tracking_uri=self.uri)

    def name(self) -> str:
        return f"ct-model-{next(self.numbers)}"

    def registry(self, client: Any) -> Registry:
        def experiment() -> str:
            found = client.get_experiment_by_name("ct")
            return str(found.experiment_id)

        return Registry(client, experiment, self.content, Signing("off", Path("none"), None), "https://github.com/a/ct")

    def content(self, model: PromotedModel) -> Path:
        place = self.folder / model.package
        if not place.exists():
            (place / "code").mkdir(parents=True)
            (place / "MLmodel").write_text("flavors: {}\n")
            (place / "code" / "model.py").write_text(f"# {model.package}\n")
        return place


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("registry")
    made = Site(f"sqlite:///{folder}/mlflow.db", folder / "packages", itertools.count(1))
    made.client().create_experiment("ct", artifact_location=str(folder / "artifacts"))
    return made


def model(name: str, order: int, decision: Decision, beside: Champion | None = None, package: int = 0) -> PromotedModel:
    metric = PromotedMetric(
        name="accuracy", path="m.json", key="accuracy", base=0.8, head=0.9, verdict="better", primary=True, told="more"
    )
    return PromotedModel(
        name=name, path="packages/m", stage="package", package=PACKAGES[package or order], stage_key=None,
        data_digest=None, champion=beside, metrics=(metric,), decision=decision, why="as measured",
    )  # fmt: skip


def promotion(order: int) -> Promotion:
    head = Revision(commit=COMMITS[order], name="main", subject=f"Change {order} (#{order})")
    return Promotion(head=head, order=order, pull_request=order, models=())


def present(client: Any, name: str, order: int) -> Champion | None:
    """What `--step pull` would ask: the champion of the commits before."""
    found = champion(all_marks(versions_of(client, name)), before=(order, COMMITS[order]))
    if found is None:
        return None
    return Champion(version=found.version, commit=found.commit, package="0" * 32, mark=found.name)


def promote(site: Site, client: Any, name: str, order: int, decision: Decision, package: int = 0) -> PromotedModel:
    """As the command does it: measured again where the champion has moved."""
    while True:
        asked = model(name, order, decision, present(client, name, order), package)
        try:
            return register_model(site.registry(client), promotion(order), asked)
        except MovedError:
            continue


def state(client: MlflowClient, name: str) -> dict[str, Any]:
    """All that promotions decide: versions by package with their marks and files, and aliases by package."""
    versions = versions_of(client, name)
    packages = {int(version.version): version.tags["pawl.package"] for version in versions}
    aliases = client.get_registered_model(name).aliases
    files = {
        version.tags["pawl.package"]: sorted(
            item.path for item in client.list_artifacts(version.run_id, f"packages/{version.tags['pawl.package'][:16]}")
        )
        for version in versions
    }
    return {
        "aliases": {alias: packages[int(version)] for alias, version in aliases.items()},
        "versions": {version.tags["pawl.package"]: (version.tags, version.description) for version in versions},
        "count": len(versions),
        "files": files,
        "runs": len({version.run_id for version in versions}),
    }


class Killed(BaseException):
    """As SIGKILL: nothing catches it."""


@dataclass
class Watched:
    """A client that does something before each call, such as not to go on; after one is before the next."""

    client: MlflowClient
    step: Callable[[str], None]

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)

        def call(*arguments: Any, **named: Any) -> Any:
            self.step(name)
            return method(*arguments, **named)

        return call


def at(number: int, act: Callable[[], None]) -> Callable[[str], None]:
    """Act at the step of that number."""
    steps = itertools.count()

    def step(_: str) -> None:
        if next(steps) == number:
            act()

    return step


def counted(site: Site, act: Callable[[Any], object]) -> int:
    """How many steps it has."""
    steps: list[str] = []
    act(Watched(site.client(), steps.append))
    return len(steps)


def raise_killed() -> None:
    raise Killed


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


def test_killed_at_any_call_and_done_again_it_ends_the_same(site: Site) -> None:
    whole = site.name()
    promote(site, site.client(), whole, 1, "champion")
    steps = counted(site, lambda client: promote(site, client, whole, 2, "champion"))
    wanted = state(site.client(), whole)
    assert steps >= 10
    for number in range(steps):
        name = site.name()
        promote(site, site.client(), name, 1, "champion")
        with pytest.raises(Killed):
            promote(site, Watched(site.client(), at(number, raise_killed)), name, 2, "champion")
        promote(site, site.client(), name, 2, "champion")
        assert state(site.client(), name) == wanted, number


def test_a_first_promotion_killed_by_the_system_ends_the_same(site: Site) -> None:
    """With a process of its own, which is gone from one moment to the next."""
    whole = site.name()
    steps = counted(site, lambda client: promote(site, client, whole, 1, "champion"))
    wanted = state(site.client(), whole)
    for number in range(0, steps, 2):
        name = site.name()
        child = os.fork()
        if child == 0:
            try:
                die = at(number, lambda: os.kill(os.getpid(), signal.SIGKILL))
                promote(site, Watched(MlflowClient(tracking_uri=site.uri), die), name, 1, "champion")
            finally:
                os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        promote(site, site.client(), name, 1, "champion")
        assert state(site.client(), name) == wanted, number


class Turns:
    """Lets one of two threads make its next call, as a list says; after it, whoever is left goes on."""

    def __init__(self, order: list[int]) -> None:
        self.order = order
        self.ended: set[int] = set()
        self.changed = threading.Condition()

    def wait(self, who: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self._next() in (who, None), 60)
            if self.order:
                self.order.pop(0)
            self.changed.notify_all()

    def end(self, who: int) -> None:
        with self.changed:
            self.ended.add(who)
            self.changed.notify_all()

    def _next(self) -> int | None:
        while self.order and self.order[0] in self.ended:
            self.order.pop(0)
        return self.order[0] if self.order else None


def both(
    site: Site, name: str, decisions: tuple[Decision, Decision], order: list[int], packages: tuple[int, int]
) -> None:
    """Promote commits 2 and 3 at the same time, call by call in that order."""
    turns, problems = Turns(list(order)), []

    def work(who: int) -> None:
        def step(_: str) -> None:
            turns.wait(who)

        try:
            promote(site, Watched(site.client(), step), name, who, decisions[who - 2], packages[who - 2])
        except BaseException as problem:
            problems.append(problem)
        finally:
            turns.end(who)

    threads = [threading.Thread(target=work, args=(who,)) for who in (2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


@pytest.mark.parametrize("other", [2, 3])
def test_two_commits_with_one_breaking_in_at_any_call_end_as_one_after_the_other(site: Site, other: int) -> None:
    for calls in range(1, 18):
        name = site.name()
        both(site, name, ("champion", "champion"), [5 - other] * calls + [other] * 60, (2, 3))
        found = state(site.client(), name)
        assert (found["aliases"], found["count"]) == ({"champion": PACKAGES[3], "candidate": PACKAGES[3]}, 2), calls


@settings(max_examples=12)
@given(
    decisions=st.tuples(*[st.sampled_from(["champion", "candidate"])] * 2),
    order=st.lists(st.sampled_from([2, 3]), max_size=40),
    first=st.booleans(),
)
def test_two_commits_interleaved_in_any_way_end_as_one_after_the_other(
    site: Site, decisions: tuple[Decision, Decision], order: list[int], first: bool
) -> None:
    name = site.name()
    one = site.name()
    for each in (name, one):
        if first:
            promote(site, site.client(), each, 1, "champion")
    both(site, name, decisions, order, (2, 3))
    for who in (2, 3):
        promote(site, site.client(), one, who, decisions[who - 2])
    found, wanted = state(site.client(), name), state(site.client(), one)
    assert (found["aliases"], found["count"]) == (wanted["aliases"], wanted["count"])


@settings(max_examples=8)
@given(order=st.lists(st.sampled_from([2, 3]), max_size=40))
def test_one_package_of_two_commits_at_once_is_one_version(site: Site, order: list[int]) -> None:
    name = site.name()
    promote(site, site.client(), name, 1, "champion")
    both(site, name, ("champion", "champion"), order, (4, 4))
    found = state(site.client(), name)
    assert found["count"] == 2
    assert found["aliases"] == {"champion": PACKAGES[4], "candidate": PACKAGES[4]}


def test_a_decision_beside_another_champion_does_not_count(site: Site) -> None:
    name, client = site.name(), site.client()
    promote(site, client, name, 1, "champion")
    measured = model(name, 3, "champion", present(client, name, 3))
    promote(site, client, name, 2, "champion")
    with pytest.raises(MovedError, match="run `pawl promote` again"):
        register_model(site.registry(client), promotion(3), measured)
    assert client.get_registered_model(name).aliases == {"candidate": 2, "champion": 2}


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


def test_a_rollback_killed_anywhere_takes_back_one_champion_when_done_again(site: Site) -> None:
    def prepared() -> str:
        name = site.name()
        for order in (1, 2, 3):
            promote(site, site.client(), name, order, "champion")
        return name

    whole = prepared()
    steps = counted(site, lambda client: roll_back_champion(client, whole))
    for number in range(steps - 1):
        name = prepared()
        with pytest.raises(Killed):
            roll_back_champion(Watched(site.client(), at(number, raise_killed)), name)
        alias = int(site.client().get_registered_model(name).aliases["champion"])
        if alias == 3:
            roll_back_champion(site.client(), name)
        assert state(site.client(), name)["aliases"]["champion"] == PACKAGES[2], number


def test_what_the_store_did_not_keep_makes_no_version(site: Site) -> None:
    name = site.name()

    @dataclass
    class Lossy(Watched):
        def log_artifacts(self, run_id: str, folder: str, place: str) -> None:
            self.client.log_artifact(run_id, f"{folder}/MLmodel", place)

    with pytest.raises(ServiceError, match=r"has not kept packages/1{16}/code/model.py \(1 of 2 files\)"):
        promote(site, Lossy(site.client(), lambda _: None), name, 1, "champion")
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

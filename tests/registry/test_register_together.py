"""Two commits promoted at once, in every order of their calls, end as one after the other: none is lost."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pawl.registry.registering import MovedError, register_model
from pawl.registry.versions import all_marks, versions_of
from pawl.schema.promotion import Decision
from tests.registry.breaking_in import Watched, both
from tests.registry.site import PACKAGES, Site, model, present, promote, promotion, state


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


def test_a_twin_that_the_other_removes_first_is_no_failure(site: Site) -> None:
    """Both have made a version of the package, both see two, and both set about removing the second."""
    name, other = site.name(), site.client()

    def step(what: str) -> None:
        if what == "create_model_version" and not versions_of(other, name):
            promote(site, other, name, 2, "champion", package=4)
        elif what == "delete_model_version":
            other.delete_model_version(name, "2")

    made = promote(site, Watched(site.client(), step), name, 3, "champion", package=4)
    assert (made.version, made.champion_now) == (1, 1)
    assert state(other, name)["count"] == 1


def test_eight_at_once_as_it_comes_lose_nothing(site: Site) -> None:
    """In nobody's order, as processes do."""
    name, problems = site.name(), []

    def work(order: int) -> None:
        try:
            promote(site, site.client(), name, order, "candidate" if order == 8 else "champion", 1 + order // 2)
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=work, args=(order,)) for order in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    found = state(site.client(), name)
    assert found["aliases"] == {"champion": PACKAGES[4], "candidate": PACKAGES[5]}
    marks = all_marks(versions_of(site.client(), name))
    assert sorted(mark.order for mark in marks) == list(range(1, 9))
    assert found["count"] == 5


def test_a_champion_that_comes_between_the_look_and_the_mark_takes_the_decision_away(site: Site) -> None:
    name, other = site.name(), site.client()
    promote(site, other, name, 1, "champion")
    measured = model(name, 3, "champion", present(other, name, 3))

    def step(what: str) -> None:
        if what == "set_model_version_tag" and len(versions_of(other, name)) == 2:
            promote(site, other, name, 2, "champion")

    with pytest.raises(MovedError, match="run `pawl promote` again"):
        register_model(site.registry(Watched(site.client(), step)), promotion(3), measured)
    assert {mark.order: mark.word for mark in all_marks(versions_of(other, name))} == {
        1: "champion", 2: "champion", 3: "moved",
    }  # fmt: skip
    assert state(other, name)["aliases"] == {"champion": PACKAGES[2], "candidate": PACKAGES[3]}

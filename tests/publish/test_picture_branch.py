"""Pictures on a branch of the repository: whole, once, pruned, and safe beside other writers."""

from __future__ import annotations

import threading
from datetime import date, timedelta
from typing import Any

import pytest

from pawl.errors import InputError, ServiceError
from pawl.publish.github_api import GitHubApi
from pawl.publish.picture_branch import Picture, branch_addresses, keep_on_branch
from tests.fakes.github_contents import Contents
from tests.publish.desk import Desk
from tests.publish.test_faults import PASSING

TODAY = date(2026, 11, 21)
BRANCH = "pawl-images"


def png(text: str) -> Picture:
    return Picture(text, b"\x89PNG\r\n\x1a\n" + text.encode())


def day(picture: Picture, when: date = TODAY) -> str:
    return f"{when.isoformat()}/{picture.name}"


@pytest.fixture
def contents(desk: Desk) -> Contents:
    """The repository's branches; there is main, and the token may write."""
    desk.github.add_token("rw", permissions={"contents": "write"})
    held = desk.github.state.contents["acme/ct"] = Contents("acme/ct")
    held.add_branch("main", {"README.md": b"words", "src/a.py": b"code"})
    return held


def keep(desk: Desk, *pictures: Picture, today: date = TODAY, keep_days: int = 30, **more: Any) -> int:
    api = GitHubApi(desk.target(token=more.pop("token", "rw")), more.pop("patience", desk.patience()), desk.said.append)
    return keep_on_branch(api, pictures, more.pop("branch", BRANCH), today, keep_days)


def test_pictures_arrive_whole_on_a_branch_of_their_own(desk: Desk, contents: Contents) -> None:
    keep(desk, png("a"), png("b"))
    assert contents.files(BRANCH) == {day(png("a")): png("a").png, day(png("b")): png("b").png}
    assert set(contents.files("main")) == {"README.md", "src/a.py"}


def test_the_address_is_that_of_the_file_on_the_branch() -> None:
    found = branch_addresses([png("a")], "https://ghe.acme.com/acme/ct", "pictures/pawl", TODAY)
    assert found == {"a": f"https://ghe.acme.com/acme/ct/blob/pictures/pawl/{day(png('a'))}?raw=true"}


def test_the_same_again_writes_nothing(desk: Desk, contents: Contents) -> None:
    keep(desk, png("a"), png("b"))
    before = contents.branches[BRANCH]
    assert keep(desk, png("b"), png("a")) == 0
    assert contents.branches[BRANCH] == before


def test_only_new_pictures_are_sent(desk: Desk, contents: Contents) -> None:
    keep(desk, png("a"), png("b"))
    keep(desk, png("b"), png("c"), png("c"), today=TODAY + timedelta(days=1))
    assert len(desk.github.requests("POST", "/git/blobs")) == 3
    tomorrow = TODAY + timedelta(days=1)
    wanted = {day(png("a")), day(png("b")), day(png("b"), tomorrow), day(png("c"), tomorrow)}
    assert set(contents.files(BRANCH)) == wanted


def test_the_branch_has_no_history(desk: Desk, contents: Contents) -> None:
    for text in "abc":
        keep(desk, png(text))
    assert contents.history(BRANCH) == 1
    assert len(contents.files(BRANCH)) == 3


def test_what_no_report_has_shown_for_long_goes(desk: Desk, contents: Contents) -> None:
    keep(desk, png("old"), png("shown again"))
    keep(desk, png("shown again"), today=TODAY + timedelta(days=20))
    keep(desk, png("new"), today=TODAY + timedelta(days=30))
    assert day(png("old")) in contents.files(BRANCH)
    keep(desk, png("newest"), today=TODAY + timedelta(days=31))
    assert sorted(path.split("/")[0] for path in contents.files(BRANCH)) == ["2026-12-11", "2026-12-21", "2026-12-22"]
    assert day(png("shown again"), TODAY + timedelta(days=20)) in contents.files(BRANCH)


@pytest.mark.parametrize("branch", ["main", "somebodys"])
def test_a_branch_that_holds_anything_else_is_left_alone(desk: Desk, contents: Contents, branch: str) -> None:
    contents.add_branch("somebodys", {day(png("a")): b"1", "2026-11-21/notes.txt": b"2"})
    before = dict(contents.branches)
    with pytest.raises(InputError, match=r"would be overwritten: name a branch .* `images.branch`"):
        keep(desk, png("a"), branch=branch)
    assert contents.branches == before
    assert desk.writes() == []


@pytest.mark.parametrize("how", ["a rule", "no graphql"])
def test_where_the_branch_may_not_be_rewritten_it_grows(desk: Desk, contents: Contents, how: str) -> None:
    if how == "a rule":
        contents.forbids_force = True
    else:
        desk.github.state.tokens["rw"].graphql = False
    keep(desk, png("a"))
    keep(desk, png("b"), today=TODAY + timedelta(days=40))
    assert contents.history(BRANCH) == 2
    assert set(contents.files(BRANCH)) == {day(png("b"), TODAY + timedelta(days=40))}
    assert desk.slept == []


@pytest.mark.parametrize("when", ["/git/refs", "/graphql", "/git/refs/heads"])
def test_another_writer_between_look_and_write_loses_nothing(desk: Desk, contents: Contents, when: str) -> None:
    """The branch is new, is rewritten, and grows."""
    theirs = png("theirs")
    if when != "/git/refs":
        keep(desk, png("there"))
    contents.forbids_force = when == "/git/refs/heads"

    def write() -> None:
        parents = (contents.branches[BRANCH],) if contents.forbids_force else ()
        files = contents.files(BRANCH) if BRANCH in contents.branches else {}
        contents.add_branch(BRANCH, files | {day(theirs): theirs.png}, parents)

    method = "PATCH" if contents.forbids_force else "POST"
    scripted = desk.github.fault(method, f"{when}(/|$)", how="pass", before=write)
    keep(desk, png("ours"))
    assert scripted.times == 0, "the other writer must have been there"
    assert {day(theirs), day(png("ours"))} <= set(contents.files(BRANCH))
    assert len(contents.files(BRANCH)) == (2 if when == "/git/refs" else 3)


def test_eight_writers_at_once_lose_nothing(desk: Desk, contents: Contents) -> None:
    failures: list[BaseException] = []

    def run(number: int) -> None:
        try:
            api = GitHubApi(desk.target(token="rw"), desk.patience(tries=30), lambda line: None)
            keep_on_branch(api, [png(f"{number}"), png("shared")], BRANCH, TODAY, 30)
        except BaseException as error:
            failures.append(error)

    writers = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failures == []
    assert set(contents.files(BRANCH)) == {day(png(name)) for name in [*map(str, range(8)), "shared"]}
    assert contents.history(BRANCH) == 1


CALLS = [
    ("GET", "/git/ref/"),
    ("GET", "/git/trees"),
    ("GET", "/acme/ct$"),
    ("POST", "/git/blobs"),
    ("POST", "/git/trees"),
    ("POST", "/git/commits"),
    ("POST", "/graphql"),
    ("POST", "/git/refs$"),
    ("PATCH", "/git/refs/"),
]


@pytest.mark.parametrize(("fault", "seconds"), PASSING)
@pytest.mark.parametrize(("method", "path"), CALLS)
def test_a_fault_that_passes_at_any_call_loses_nothing(
    desk: Desk, contents: Contents, method: str, path: str, fault: dict[str, Any], seconds: float
) -> None:
    if path != "/git/refs$":
        keep(desk, png("there"))
    contents.forbids_force = method == "PATCH"
    reads_a_list = method == "GET" and fault.get("raw") == "[]"
    scripted = desk.github.fault(method, path, **fault)
    try:
        keep(desk, png("ours"))
    except (ServiceError, InputError):
        assert reads_a_list, "GitHub answered with something else than it does"
    else:
        there = {day(png("ours"))} | (set() if path == "/git/refs$" else {day(png("there"))})
        assert set(contents.files(BRANCH)) == there
        assert desk.slept in ([], [seconds])
    assert scripted.times == 0


def test_a_request_that_is_never_answered_loses_nothing(desk: Desk, contents: Contents) -> None:
    keep(desk, png("there"))
    desk.github.fault("POST", "/graphql", how="hang", applies=True)
    keep(desk, png("ours"), patience=desk.patience(request_seconds=1))
    assert len(contents.files(BRANCH)) == 2


def test_a_token_that_may_only_read_is_told_what_it_lacks(desk: Desk, contents: Contents) -> None:
    desk.github.add_token("ro", permissions={"contents": "read"})
    with pytest.raises(InputError, match="`contents: write` for pictures"):
        keep(desk, png("a"), token="ro")
    assert BRANCH not in contents.branches


def test_it_gives_up_after_its_tries(desk: Desk, contents: Contents) -> None:
    desk.github.fault("POST", "/git/blobs", times=-1, status=502)
    with pytest.raises(ServiceError, match="in 6 tries"):
        keep(desk, png("a"))
    assert sum(desk.slept) <= 300


def test_a_branch_that_will_not_move_is_given_up(desk: Desk, contents: Contents) -> None:
    keep(desk, png("there"))
    contents.forbids_force = True
    desk.github.fault("PATCH", "/git/refs/", times=-1, status=422, message="Repository rule violations found")
    with pytest.raises(InputError, match="Repository rule violations found"):
        keep(desk, png("a"))

"""One comment, the right one, whatever is on the pull request already."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from pawl.errors import InputError
from pawl.publish.mark import body_budget_units
from tests.publish.desk import COMMIT, Desk

Text = Callable[..., str]


def test_the_first_comment_is_the_report_the_stamp_and_cmls_mark(desk: Desk) -> None:
    posted = desk.post("the report\n")
    assert desk.bodies() == [
        f"the report\n\n<!-- pawl run=100 attempt=1 commit={COMMIT} -->\n\n"
        f'![](https://cml.dev/watermark.png#{COMMIT} "CML watermark pawl")'
    ]
    assert (posted.action, posted.via, posted.attempts) == ("created", "api", 1)
    assert posted.url == f"{desk.github.url}/acme/ct/pull/7#issuecomment-{posted.comment_id}"


def test_a_new_report_takes_the_place_of_the_old_one(desk: Desk) -> None:
    first, second = desk.post("one"), desk.post("two", run=101)
    assert (second.action, second.comment_id) == ("updated", first.comment_id)
    (body,) = desk.bodies()
    assert body.startswith("two\n")


def test_the_same_report_again_writes_nothing(desk: Desk) -> None:
    desk.post("one")
    assert desk.post("one").action == "unchanged"
    assert desk.writes() == ["POST"]


def test_titles_keep_comments_apart(desk: Desk) -> None:
    desk.post("one", title="pawl")
    desk.post("two", title="pawl-2")
    assert [body.split("\n")[0] for body in desk.bodies()] == ["one", "two"]


def test_a_comment_on_page_four_is_found(desk: Desk, ours: Text) -> None:
    for n in range(330):
        desk.add(f"chatter {n}", "bob")
    kept = desk.add(ours())
    for n in range(30):
        desk.add(f"more {n}", "bob")
    posted = desk.post()
    assert (posted.action, posted.comment_id) == ("updated", kept)
    assert len(desk.bodies()) == 361


def test_what_others_wrote_is_left_alone(desk: Desk, ours: Text) -> None:
    quotes = [ours(), "> " + ours().replace("\n", "\n> "), ours() + "\n\nLook at that!"]
    for quote in quotes:
        desk.add(quote, "bob")
    assert desk.post().action == "created"
    assert desk.bodies()[:3] == quotes


def test_our_own_account_may_quote_the_mark_in_other_comments(desk: Desk, ours: Text) -> None:
    other = ours() + "\n\nThat was the comment of another workflow that quotes ours."
    desk.add(other)
    assert desk.post().action == "created"
    assert desk.bodies()[0] == other


def test_of_several_the_newest_is_kept_and_only_ours_are_deleted(desk: Desk, ours: Text) -> None:
    desk.add(ours("a", run=40))
    kept = desk.add(ours("b", run=50))
    desk.add(ours("c", run=45))
    desk.add(ours("quoted", run=60), "bob")
    desk.add(ours("other title", title="pawl-other"))
    posted = desk.post("new")
    assert (posted.comment_id, posted.action, posted.duplicates_deleted) == (kept, "updated", 2)
    assert [body.split("\n")[0] for body in desk.bodies()] == ["new", "quoted", "other title"]


@pytest.mark.parametrize(("run", "attempt"), [(101, 1), (100, 2), (10**17, 1)])
def test_an_older_run_leaves_a_newer_comment(desk: Desk, ours: Text, run: int, attempt: int) -> None:
    newer = ours(run=run, attempt=attempt)
    desk.add(newer)
    assert desk.post().action == "superseded"
    assert desk.bodies() == [newer]
    assert desk.writes() == []


@pytest.mark.parametrize(("run", "attempt"), [(99, 7), (100, 1)])
def test_a_run_updates_its_own_and_older_comments(desk: Desk, ours: Text, run: int, attempt: int) -> None:
    desk.add(ours(run=run, attempt=attempt))
    assert desk.post().action == "updated"


def test_a_person_outside_a_workflow_may_always_post(desk: Desk, ours: Text) -> None:
    desk.add(ours(run=10**9))
    assert desk.post("by hand", run=None).action == "updated"
    assert desk.post("by the next run", run=100).action == "updated"


def test_a_comment_that_cml_alone_left_is_ours(desk: Desk) -> None:
    kept = desk.add(f'from cml\n\n![](https://cml.dev/watermark.png#{"E" * 40} "CML watermark pawl")\r\n')
    assert desk.post().comment_id == kept


def test_a_report_that_imitates_stamp_and_mark_does_not_confuse_us(desk: Desk, ours: Text) -> None:
    hostile = ours("branch", run=10**17)
    first = desk.post(hostile)
    second = desk.post(hostile + " ", run=101)
    assert (second.action, second.comment_id) == ("updated", first.comment_id)


def test_the_longest_report_fits_and_one_more_unit_is_refused_before_any_request(desk: Desk) -> None:
    budget = body_budget_units("pawl")
    assert desk.post("😀" * (budget // 2)).action == "created"
    sent = len(desk.github.requests())
    with pytest.raises(InputError, match="65,536"):
        desk.post("x" * 65_536)
    assert len(desk.github.requests()) == sent


def test_a_run_without_a_pull_request_cannot_comment(desk: Desk) -> None:
    from pawl.publish.comment import post_comment

    with pytest.raises(InputError, match="--pull-request"):
        post_comment("x", desk.target(pull_request=None), commit=COMMIT)


@pytest.mark.parametrize("title", ["", "a_b", "a b", 'a"b', "-a", "{run}", "x" * 65, "a\n"])
def test_a_title_that_cml_would_not_find_again_is_refused(desk: Desk, title: str) -> None:
    with pytest.raises(InputError, match="hyphens"):
        desk.post(title=title)


# ---- who we are ---------------------------------------------------------------------------------------------------


def test_a_persons_token_owns_what_the_person_posted(desk: Desk, ours: Text) -> None:
    desk.github.add_token("pat", "Alice", kind="User")
    mine = desk.add(ours(), "alice")
    desk.add(ours())
    assert desk.post(token="pat").comment_id == mine
    assert len(desk.bodies()) == 2


def test_an_apps_token_learns_its_name(desk: Desk, ours: Text) -> None:
    desk.github.add_token("app", "trainer[bot]")
    mine = desk.add(ours(), "trainer[bot]")
    desk.add(ours(), "github-actions[bot]")
    assert desk.post(token="app").comment_id == mine


def test_a_wrong_guess_of_the_name_is_mended_by_the_first_answer(desk: Desk, ours: Text) -> None:
    desk.github.add_token("app", "trainer[bot]", graphql=False)
    desk.add(ours("from before"), "trainer[bot]")
    posted = desk.post("new", token="app")
    assert posted.duplicates_deleted == 1
    assert [body.split("\n")[0] for body in desk.bodies()] == ["new"]


# ---- several writers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("other", "left", "mine"), [(200, "other", "superseded"), (50, "mine", "created")])
def test_another_run_posts_between_our_look_and_our_post(desk: Desk, other: int, left: str, mine: str) -> None:
    desk.github.fault("POST", "/comments$", how="pass", before=lambda: desk.post("other", run=other))
    assert desk.post("mine").action == mine
    assert [body.split("\n")[0] for body in desk.bodies()] == [left]


def test_a_run_that_is_overtaken_while_it_retries_gives_way(desk: Desk, ours: Text) -> None:
    desk.add(ours())
    desk.github.fault("PATCH", how="answer", status=502, before=lambda: desk.post("newer", run=200))
    assert desk.post("older").action == "superseded"
    assert [body.split("\n")[0] for body in desk.bodies()] == ["newer"]


def test_an_older_run_that_overwrote_us_is_overwritten(desk: Desk, ours: Text) -> None:
    kept = desk.add(ours())

    def overwrite() -> None:
        if desk.writes() == ["PATCH"]:
            desk.github.state.comments[kept].body = ours("older", run=60)

    desk.github.fault("GET", "/comments$", times=-1, how="pass", before=overwrite)
    assert desk.post("newer").action == "updated"
    assert [body.split("\n")[0] for body in desk.bodies()] == ["newer"]


def test_six_runs_at_once_leave_the_newest(desk: Desk) -> None:
    together = threading.Barrier(6, timeout=20)
    desk.github.fault("POST", "/comments$", times=6, how="pass", before=together.wait)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda run: desk.post(f"run {run}", run=run), (103, 101, 106, 104, 102, 105)))
    assert [body.split("\n")[0] for body in desk.bodies()] == ["run 106"]


def test_two_jobs_of_one_run_do_not_fight_for_ever(desk: Desk) -> None:
    desk.github.fault("GET", "/comments$", times=-1, skip=1, how="pass", before=lambda: rewrite(desk))
    assert desk.post("mine").action == "created"
    assert len(desk.writes()) == 1


def rewrite(desk: Desk) -> None:
    """What another job of the same run does: the same stamp over another report."""
    for comment in desk.github.state.comments.values():
        comment.body = comment.body.replace("mine", "its")


def test_a_listing_that_lags_behind_makes_no_duplicate(desk: Desk) -> None:
    desk.github.state.lag_listings = 5
    assert desk.post().action == "created"
    assert len(desk.bodies()) == 1


def test_a_comment_deleted_under_us_is_posted_anew(desk: Desk, ours: Text) -> None:
    gone = desk.add(ours())
    desk.github.fault("PATCH", how="pass", before=lambda: desk.github.state.comments.pop(gone))
    assert desk.post().action == "created"
    assert len(desk.bodies()) == 1

"""One sticky comment on a pull request: look at what is there, do one thing, look again, until nothing is left to do.

Looking before every write makes the hard cases one case: an answer that was lost, another writer at the same moment, a
run that was overtaken, a duplicate from long ago. What remains open is the time of one request between a look and its
write (with CML, the seconds that CML runs): GitHub has no conditional update. A concurrency group per pull request in
the workflow closes it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pawl.errors import InputError, ServiceError
from pawl.publish import cml
from pawl.publish.environment import Target
from pawl.publish.github_api import GitHubApi, Progress
from pawl.publish.history import with_earlier_pushes
from pawl.publish.mark import Stamp, compose, normalised, stamped, supersedes
from pawl.publish.retry import Patience
from pawl.publish.thread import Comment, all_comments, comment_from, ours_among, own_login

Via = Literal["auto", "cml", "api"]
MAX_CONFIRMED_WRITES = 3
MAX_LOOKS = 30


@dataclass(frozen=True)
class Posted:
    """What became of the comment."""

    comment_id: int
    url: str
    action: Literal["created", "updated", "unchanged", "superseded"]
    """`superseded`: a newer run's comment is there, it was left as it is."""
    via: Literal["cml", "api"]
    attempts: int
    """Writing requests sent, a run of CML counted as one; 0 where nothing had to be written."""
    duplicates_deleted: int = 0
    superseded_by: Stamp | None = None
    """The newer run's."""


def post_comment(
    body: str,
    target: Target,
    *,
    title: str = "pawl",
    commit: str,
    via: Via = "auto",
    env: Mapping[str, str] | None = None,
    patience: Patience | None = None,
    progress: Progress = lambda line: None,
) -> Posted:
    """Make `body` the one comment with this title on the pull request.

    Args:
        body: Markdown of at most `mark.body_budget_units(title)` UTF-16 units; where it ends with a history, as
            `pawl report` writes it, the rows of our earlier comment are put before its own.
        target: where; see `target_from_environment`.
        title: tells apart several comments on one pull request; letters, digits, dots and hyphens.
        commit: the full id of the commit that the report is about.
        via: "auto" goes through CML where it is installed, can reach the API and would do no harm (see `cml.danger`),
            and writes itself otherwise or when CML fails; "cml" goes through CML or raises; "api" never uses CML.
        env: for CML; the process's own by default.
        patience: how long to go on when GitHub does not answer.
        progress: is told what is waited for, a line at a time, never with the token.

    Raises:
        InputError: something given cannot be used, or the token may not write there.
        ServiceError: GitHub did not take the comment within the patience.
    """
    if target.pull_request is None:
        raise InputError(
            "this run belongs to no pull request, so there is nowhere to comment: give --pull-request NUMBER"
        )
    stamp = Stamp(target.run, target.attempt, commit)
    compose(body, title, stamp)  # refused before anything is asked of GitHub
    environment = os.environ if env is None else env
    program = _cml_to_use(via, target, environment)
    api = GitHubApi(target, patience or Patience(), progress)
    thread = _Thread(api, target.pull_request, title)

    cml_runs, cml_said = 0, ""
    action: Literal["created", "updated", "unchanged"] = "unchanged"
    for _ in range(MAX_LOOKS):
        ours = thread.look()
        keep = ours[-1] if ours else None
        if keep is not None and supersedes(keep[0], stamp):
            newer, comment = keep
            attempts = api.writes + cml_runs
            deleted = thread.delete(ours[:-1])
            return Posted(comment.id, comment.url, "superseded", "api", attempts, deleted, newer)
        # Read as late as can be: a row that another run writes from here on is lost.
        report = with_earlier_pushes(body, [comment for _, comment in ours], target, title, commit)
        text = compose(report, title, stamp)
        if keep is not None and (normalised(keep[1].body) == normalised(text) or thread.is_settled(keep, stamp)):
            through: Literal["cml", "api"] = "cml" if cml_runs and not api.writes else "api"
            attempts = api.writes + cml_runs
            return Posted(keep[1].id, keep[1].url, action, through, attempts, thread.delete(ours[:-1]))
        action = "created" if keep is None or action == "created" else "updated"
        if program is None and via == "cml":
            raise ServiceError(
                f"cml did not post the comment ({cml_said}): use --via auto, which then posts it without"
            )
        if program is None:
            thread.write(keep[1] if keep else None, text)
            continue
        harm = thread.harm_by_cml(keep)
        if harm is None:
            progress("posting through cml")
            run = cml.run_cml(program, stamped(report, stamp), target, title=title, commit=commit, env=environment)
            thread.take_from_cml(run, text)
            cml_runs, cml_said = 1, run.said
        else:
            cml_said = f"it was not started: {harm}"
        progress(f"cml: {cml_said}")
        program = None
    raise ServiceError(f"the comment on pull request {target.pull_request} keeps changing under us: run the job again")


class _Thread:
    """The conversation with what this process knows beyond GitHub's listing, which can lag behind its writes."""

    def __init__(self, api: GitHubApi, number: int, title: str) -> None:
        self.api = api
        self.number = number
        self.title = title
        self.login = own_login(api)
        self.listed: list[Comment] = []
        self.written: dict[int, Comment] = {}
        self.confirmed_writes = 0

    def look(self) -> list[tuple[Stamp, Comment]]:
        """Our comments now, the one to keep last."""
        self.listed = all_comments(self.api, self.number)
        known = {comment.id: comment for comment in self.listed}
        unlisted = [comment for id_, comment in self.written.items() if id_ not in known]
        return ours_among(self.listed + unlisted, self.login, self.title)

    def is_settled(self, keep: tuple[Stamp, Comment], stamp: Stamp) -> bool:
        """Whether GitHub took our write of this comment, whatever it made of the text or still shows."""
        took_it = keep[1].id in self.written
        return took_it and (keep[0] == stamp or self.confirmed_writes >= MAX_CONFIRMED_WRITES)

    def harm_by_cml(self, keep: tuple[Stamp, Comment] | None) -> str | None:
        """See `cml.danger`."""
        index = self.listed.index(keep[1]) if keep else None
        return cml.danger([comment.body for comment in self.listed], index, self.title)

    def take_from_cml(self, run: cml.CmlRun, text: str) -> None:
        """Look up the comment that CML says it wrote."""
        if run.comment_id is None:
            return
        found = comment_from(self.api.try_read(f"{self._comments}/comments/{run.comment_id}"))
        if found is not None and normalised(found.body) == normalised(text):
            self._confirm(found)

    def write(self, old: Comment | None, text: str) -> None:
        """Send the comment once; whether it arrived is seen at the next look."""
        if old is None:
            path, doing = f"{self._comments}/{self.number}/comments", f"comment on pull request {self.number}"
            answer = self.api.write("POST", path, {"body": text}, doing=doing)
        else:
            path, doing = f"{self._comments}/comments/{old.id}", f"update the comment {old.id}"
            answer = self.api.write("PATCH", path, {"body": text}, doing=doing, gone=True)
        if found := comment_from(answer):
            self._confirm(found)

    def delete(self, ours: list[tuple[Stamp, Comment]]) -> int:
        """Delete our comments that are not the one to keep; how many there were."""
        for _, comment in ours:
            doing = f"delete the duplicate comment {comment.id}"
            path = f"{self._comments}/comments/{comment.id}"
            # A second DELETE does no harm, so there is nothing to look at between two tries.
            while self.api.write("DELETE", path, None, doing=doing) is None:
                pass
        return len(ours)

    @property
    def _comments(self) -> str:
        return f"/repos/{self.api.target.repository}/issues"

    def _confirm(self, comment: Comment) -> None:
        """Remember a write that GitHub acknowledged; its author is who we are, whatever was assumed."""
        self.written[comment.id] = comment
        self.confirmed_writes += 1
        if comment.author:
            self.login = comment.author


def _cml_to_use(via: Via, target: Target, env: Mapping[str, str]) -> str | None:
    """The CML program to post through; None: write ourselves."""
    if via == "api":
        return None
    program = cml.find_cml(env)
    reachable = cml.address(target) is not None
    if via == "cml" and program is None:
        raise InputError(
            "cml is not on the PATH: install it with `npm install --global @dvcorg/cml`, or use --via auto"
        )
    if via == "cml" and not reachable:
        raise InputError(f"cml cannot reach {target.api_url}, only github.com and https://HOST/api/v3: use --via auto")
    return program if reachable else None

"""Pictures on a branch of the same repository that holds nothing else: who may see the repository may see them.

    pawl-images
      2026-11-20/<SHA-256>.png      a folder for each day, named by its date (UTC)
      2026-11-21/<SHA-256>.png

A name says what is in the file, so nothing is written twice and writers never disagree about a file. A report that
shows an older picture puts it into the folder of its own day, which costs an entry and no bytes; so a folder that is
old enough can go as a whole. Every write is a commit without a parent, so that the branch never has a history, and it
moves the branch from the commit that was read and from no other (`updateRefs` of GraphQL; the REST API forces without
a condition). Where that is refused, as by a rule against force-pushes, commits have a parent, and GitHub's check that
an update is a fast-forward does the same.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from pawl.errors import InputError, ServiceError
from pawl.publish.github_api import GitHubApi

MAX_LOOKS = 30
_OURS = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:/[0-9a-f]{64}\.png)?")
# GitHub's words where another writer was there between our look and our write.
_OVERTAKEN = "(?i)fast.forward|already exists|does not exist"
_MOVE = "mutation($input: UpdateRefsInput!) { updateRefs(input: $input) { clientMutationId } }"


@dataclass(frozen=True)
class Picture:
    """A picture to be shown."""

    stem: str
    png: bytes

    @property
    def name(self) -> str:
        """What it is called where it is kept: by its content."""
        return f"{hashlib.sha256(self.png).hexdigest()}.png"

    @property
    def blob(self) -> str:
        """The id that git gives its content."""
        return hashlib.sha1(b"blob %d\0" % len(self.png) + self.png, usedforsecurity=False).hexdigest()


def branch_addresses(pictures: Sequence[Picture], web_url: str, branch: str, today: date) -> dict[str, str]:
    """Stem -> where GitHub shows the picture, in a private repository to those who are logged in and may see it.

    See the table of images in https://docs.github.com/get-started/writing-on-github
    """
    return {p.stem: f"{web_url}/blob/{branch}/{today.isoformat()}/{p.name}?raw=true" for p in pictures}


def keep_on_branch(api: GitHubApi, pictures: Sequence[Picture], branch: str, today: date, keep_days: int) -> int:
    """Make the branch hold the pictures in today's folder, and drop folders older than `keep_days`.

    How many writing requests it took; none where all is there. Raises InputError where the branch holds anything else,
    or may not be written; ServiceError where GitHub does not take it within the patience.
    """
    writer = _Branch(api, branch, today, keep_days)
    wanted = {f"{today.isoformat()}/{picture.name}": picture for picture in pictures}
    before = api.writes
    for _ in range(MAX_LOOKS):
        head, there = writer.look()
        if all(there.get(path) == ("blob", picture.blob) for path, picture in wanted.items()):
            return api.writes - before
        writer.upload([p for p in pictures if ("blob", p.blob) not in there.values()])
        commit = writer.commit(head, there, wanted)
        writer.move(head, commit)
    raise ServiceError(f"the branch {branch} keeps changing under us: run the job again")


class _Branch:
    """The branch, with what this process has sent already."""

    def __init__(self, api: GitHubApi, branch: str, today: date, keep_days: int) -> None:
        self.api = api
        self.branch = branch
        self.today = today.isoformat()
        self.oldest = (today - timedelta(days=keep_days)).isoformat()
        self.git = f"/repos/{api.target.repository}/git"
        self.uploaded: set[str] = set()
        self.may_rewrite = True
        self.refused: str | None = None
        """The commit that the branch was at when GitHub said that it would not move it without a history."""

    def look(self) -> tuple[str | None, dict[str, tuple[str, str]]]:
        """The branch's commit and its files: path -> (kind, id); None and no files where there is no such branch."""
        found = self.api.try_read(f"{self.git}/ref/heads/{self.branch}")
        head = _text(found, "object", "sha")
        # The refusal was for good only where nobody else has moved the branch.
        self.may_rewrite = self.may_rewrite and (self.refused is None or self.refused != head)
        if head is None:
            return None, {}
        content, _ = self.api.read(f"{self.git}/trees/{head}?recursive=1")
        entries = content.get("tree") if isinstance(content, dict) and not content.get("truncated") else None
        if not isinstance(entries, list):
            raise ServiceError(f"GitHub does not list the branch {self.branch}: delete it, and run the job again")
        there = {
            path: (kind, sha)
            for entry in entries
            if (path := _text(entry, "path")) and (kind := _text(entry, "type")) and (sha := _text(entry, "sha"))
        }
        if strange := next((path for path in there if not _OURS.fullmatch(path)), None):
            raise InputError(
                f"the branch {self.branch} holds {strange[:100]!r}, and would be overwritten: name a branch for nothing"
                " but pictures in `images.branch` of pawl.yaml"
            )
        return head, there

    def upload(self, pictures: Sequence[Picture]) -> None:
        """Send the contents that no commit of the branch has."""
        for picture in {p.blob: p for p in pictures if p.blob not in self.uploaded}.values():
            self._made(
                "blobs",
                {"content": base64.b64encode(picture.png).decode(), "encoding": "base64"},
                f"take the picture {picture.stem}",
            )
            self.uploaded.add(picture.blob)

    def commit(self, head: str | None, there: Mapping[str, tuple[str, str]], wanted: Mapping[str, Picture]) -> str:
        """Make a commit of the pictures, those of today that are there, and the younger folders; its id."""
        kept = [
            {"path": path, "mode": "040000", "type": "tree", "sha": sha}
            for path, (kind, sha) in there.items()
            if kind == "tree" and self.oldest <= path != self.today
        ]
        files = {path: sha for path, (kind, sha) in there.items() if kind == "blob" and path.startswith(self.today)}
        files |= {path: picture.blob for path, picture in wanted.items()}
        entries = [{"path": path, "mode": "100644", "type": "blob", "sha": sha} for path, sha in sorted(files.items())]
        tree = self._made("trees", {"tree": kept + entries}, "take the list of pictures")
        parents = [] if head is None or self.may_rewrite else [head]
        payload = {"message": "Pictures of reports", "tree": tree, "parents": parents}
        return self._made("commits", payload, "take the commit of pictures")

    def move(self, head: str | None, commit: str) -> None:
        """Move the branch from `head` to `commit` once; whether it went is seen at the next look."""
        doing = f"move the branch {self.branch}"
        if head is None:
            new = {"ref": f"refs/heads/{self.branch}", "sha": commit}
            self.api.write("POST", f"{self.git}/refs", new, doing=doing, race=_OVERTAKEN)
        elif self.may_rewrite:
            change = {"name": f"refs/heads/{self.branch}", "beforeOid": head, "afterOid": commit, "force": True}
            repository, _ = self.api.read(f"/repos/{self.api.target.repository}")
            variables = {"input": {"repositoryId": _text(repository, "node_id") or "", "refUpdates": [change]}}
            if self.api.change(_MOVE, variables, doing=doing) == "no":
                self.refused = head
        else:
            path = f"{self.git}/refs/heads/{self.branch}"
            self.api.write("PATCH", path, {"sha": commit, "force": False}, doing=doing, race=_OVERTAKEN)

    def _made(self, kind: str, payload: object, doing: str) -> str:
        """The id of a new object. Made twice it is one object, so a lost answer is just asked for again."""
        while True:
            answer = self.api.write("POST", f"{self.git}/{kind}", payload, doing=doing)
            if answer is not None:
                break
        if (sha := _text(answer, "sha")) is None:
            raise ServiceError(f"{self.api.target.api_url} does not answer as GitHub's API does: check GITHUB_API_URL")
        return sha


def _text(content: object, *keys: str) -> str | None:
    """The text at the end of a way through GitHub's JSON; None where it is not there."""
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    return content if isinstance(content, str) else None

"""Through CML where it does the right thing, around it where it would not; either updates the other's comment."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pawl.errors import InputError, ServiceError
from pawl.publish import cml
from pawl.publish.comment import Posted
from pawl.publish.environment import Target
from pawl.publish.mark import Stamp, compose
from tests.fakes.github import FakeGitHub
from tests.publish.desk import COMMIT, TOKEN, Desk

Text = Callable[..., str]


@dataclass
class CmlDesk(Desk):
    """A desk on an https address that CML can reach, with a `cml` on the PATH."""

    env: dict[str, str] | None = None
    folder: Path | None = None

    def post(self, *args: Any, **more: Any) -> Posted:
        more = {"via": "auto", "env": self.env, "api_url": self.github.url + "/api/v3"} | more
        return super().post(*args, **more)

    def install(self, script: str) -> None:
        assert self.folder is not None
        program = self.folder / "bin" / "cml"
        program.parent.mkdir(exist_ok=True)
        program.write_text(script)
        program.chmod(0o755)

    def cml_notes(self) -> list[dict[str, Any]]:
        assert self.folder is not None
        notes = self.folder / "notes.jsonl"
        return [json.loads(line) for line in notes.read_text().splitlines()] if notes.exists() else []

    def agents(self) -> list[str]:
        """Who wrote, in order."""
        return [r.user_agent for r in self.github.requests() if r.method in ("POST", "PATCH") and r.path != "/graphql"]


@pytest.fixture
def cml_desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CmlDesk]:
    certificate = tmp_path / "certificate.pem"
    with FakeGitHub(certificate_file=certificate) as github:
        github.add_token(TOKEN)
        github.add_pull_request("acme/ct", 7)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        env = {
            "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "NODE_EXTRA_CA_CERTS": str(certificate),
        }
        desk = CmlDesk(github, env=env, folder=tmp_path)
        stand_in = Path(__file__).with_name("cml_stand_in.py")
        desk.install(f'#!/bin/sh\nexec "{sys.executable}" -S "{stand_in}" "{tmp_path}" "$@"\n')
        yield desk


def test_cml_posts_and_updates_where_it_is_installed(cml_desk: CmlDesk) -> None:
    first, second = cml_desk.post("one"), cml_desk.post("two\n", run=101)
    assert (first.action, first.via, first.attempts) == ("created", "cml", 1)
    assert (second.action, second.via, second.comment_id) == ("updated", "cml", first.comment_id)
    assert cml_desk.bodies() == [compose("two", "pawl", Stamp(101, 1, COMMIT))]
    assert cml_desk.agents() == ["cml", "cml"]


def test_either_updates_the_others(cml_desk: CmlDesk) -> None:
    by_cml = cml_desk.post("one", via="cml")
    by_us = cml_desk.post("two", via="api", run=101)
    by_cml_again = cml_desk.post("three", via="cml", run=102)
    assert len({by_cml.comment_id, by_us.comment_id, by_cml_again.comment_id}) == 1
    assert cml_desk.agents() == ["cml", "pawl", "cml"]
    assert len(cml_desk.bodies()) == 1


def test_the_command_line(cml_desk: CmlDesk) -> None:
    cml_desk.post("one", title="pawl-digits")
    (note,) = cml_desk.cml_notes()
    *arguments, report = note["arguments"]
    assert arguments == [
        "comment",
        "update",
        "--driver=github",
        f"--repo=https://127.0.0.1:{cml_desk.github.port}/acme/ct",
        "--target=pr/7",
        "--publish=false",
        "--watermark-title=pawl-digits",
    ]
    assert not Path(report).exists(), "the report is removed"


def test_cml_gets_no_other_secret_no_cml_variable_and_its_own_git_configuration(cml_desk: CmlDesk) -> None:
    assert cml_desk.env is not None
    assert cml_desk.folder is not None
    cml_desk.env |= {
        "CML_COMMENT_WATCH": "true",
        "CML_REPO": "https://evil.test/a/b",
        "GOOGLE_APPLICATION_CREDENTIALS": "x",
    }
    assert cml_desk.post().via == "cml"
    (note,) = cml_desk.cml_notes()
    assert TOKEN not in json.dumps(note["arguments"])
    assert "GOOGLE_APPLICATION_CREDENTIALS" not in note["environment"]
    assert "ITERATIVE_DO_NOT_TRACK" in note["environment"]
    assert not (cml_desk.folder / ".gitconfig").exists()


def test_the_same_report_again_does_not_start_cml(cml_desk: CmlDesk) -> None:
    cml_desk.post("one")
    assert cml_desk.post("one").action == "unchanged"
    assert len(cml_desk.cml_notes()) == 1


def test_an_older_run_does_not_start_cml(cml_desk: CmlDesk, ours: Text) -> None:
    cml_desk.add(ours(run=200))
    assert cml_desk.post().action == "superseded"
    assert cml_desk.cml_notes() == []


@pytest.mark.parametrize(("before", "via"), [(29, "cml"), (30, "api")])
def test_where_cml_would_duplicate_we_write(cml_desk: CmlDesk, ours: Text, before: int, via: str) -> None:
    for n in range(before):
        cml_desk.add(f"chatter {n}", "bob")
    kept = cml_desk.add(ours())
    posted = cml_desk.post()
    assert (posted.via, posted.comment_id) == (via, kept)
    assert len(cml_desk.bodies()) == before + 1


@pytest.mark.parametrize("has_ours", [True, False])
def test_where_cml_would_overwrite_a_person_we_write(cml_desk: CmlDesk, ours: Text, has_ours: bool) -> None:
    if has_ours:
        cml_desk.add(ours())
    quote = "> " + ours().replace("\n", "\n> ") + "\n\nWhy?"
    cml_desk.add(quote, "bob")
    assert cml_desk.post().via == "api"
    assert quote in cml_desk.bodies()
    assert any("would overwrite another comment" in line for line in cml_desk.said)


def test_with_cml_alone_asked_for_harm_is_an_error(cml_desk: CmlDesk, ours: Text) -> None:
    cml_desk.add(ours(), "bob")
    with pytest.raises(ServiceError, match=r"would overwrite another comment.*--via auto"):
        cml_desk.post(via="cml")
    assert cml_desk.agents() == []


FAILING = {
    "exit": "#!/bin/sh\necho boom; exit 1\n",
    "lies": "#!/bin/sh\necho https://x.test/#issuecomment-5\n",
    "killed": "#!/bin/sh\nkill -9 $$\n",
    "not a program": "\x7fELF",
}


@pytest.mark.parametrize("how", FAILING)
def test_a_cml_that_fails_is_no_failure(cml_desk: CmlDesk, how: str) -> None:
    cml_desk.install(FAILING[how])
    posted = cml_desk.post()
    assert (posted.action, posted.via) == ("created", "api")
    assert len(cml_desk.bodies()) == 1


@pytest.mark.parametrize("how", FAILING)
def test_with_cml_alone_asked_for_its_failure_is_an_error(cml_desk: CmlDesk, how: str) -> None:
    cml_desk.install(FAILING[how])
    with pytest.raises(ServiceError, match="cml did not post the comment"):
        cml_desk.post(via="cml")
    assert cml_desk.bodies() == []


def test_a_cml_that_hangs_is_ended_with_its_children(cml_desk: CmlDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cml, "CML_SECONDS", 0.5)
    cml_desk.install("#!/bin/sh\nsleep 600 & wait\n")
    assert cml_desk.post().via == "api"


@pytest.mark.parametrize("fault", [{"status": 502, "applies": True}, {"how": "drop", "applies": True}])
def test_a_cml_that_fails_after_it_posted_leaves_one_comment(cml_desk: CmlDesk, fault: dict[str, Any]) -> None:
    cml_desk.github.fault("POST", "/comments$", **fault)
    posted = cml_desk.post()
    assert (posted.action, posted.via) == ("created", "cml")
    assert len(cml_desk.bodies()) == 1


def test_a_cml_whose_comment_is_not_listed_yet_leaves_one_comment(cml_desk: CmlDesk) -> None:
    cml_desk.github.state.lag_listings = 5
    assert cml_desk.post().via == "cml"
    assert len(cml_desk.bodies()) == 1


def test_what_cml_prints_is_shown_without_the_token(cml_desk: CmlDesk) -> None:
    cml_desk.install('#!/bin/sh\necho "token $REPO_TOKEN" >&2; printf "\\033[2J\\n::error::x"; exit 1\n')
    cml_desk.post()
    assert any("token ***" in line for line in cml_desk.said)
    assert not any(TOKEN in line or not line.isprintable() or line.startswith("::") for line in cml_desk.said)


def test_without_cml_we_write(cml_desk: CmlDesk, tmp_path: Path) -> None:
    (tmp_path / "bin" / "cml").unlink()
    assert cml_desk.post().via == "api"
    with pytest.raises(InputError, match="npm install"):
        cml_desk.post("other", via="cml")


def test_an_address_that_cml_cannot_reach_is_ours(desk: Desk, cml_desk: CmlDesk) -> None:
    assert desk.post(via="auto", env=cml_desk.env).via == "api"
    with pytest.raises(InputError, match="cannot reach"):
        desk.post("other", via="cml", env=cml_desk.env)
    assert cml_desk.cml_notes() == []


def test_an_untrusted_certificate_is_named(cml_desk: CmlDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(ServiceError, match="REQUESTS_CA_BUNDLE"):
        cml_desk.post(via="api")
    assert cml_desk.slept == []


@pytest.mark.parametrize(
    ("api", "address"),
    [
        ("https://api.github.com", "https://github.com/acme/ct"),
        ("https://git.test:8443/api/v3", "https://git.test:8443/acme/ct"),
        ("http://127.0.0.1:80/api/v3", None),
        ("https://api.acme.ghe.com", None),
        ("https://git.test/deep/api/v3", None),
    ],
)
def test_the_address_that_leads_cml_to_the_same_api(api: str, address: str | None) -> None:
    assert cml.address(Target("acme/ct", 7, api, "t")) == address


COMMENT = st.sampled_from(["plain", "ours", "quoted"])


@given(st.lists(COMMENT, max_size=40), st.data())
def test_danger_is_exactly_where_cml_would_choose_another_comment(kinds: list[str], data: st.DataObject) -> None:
    """Against CML's own way of choosing: the last of the first 30 that holds the mark."""
    mark = compose("x", "pawl", Stamp(1, 1, COMMIT))
    texts = [{"plain": "x", "ours": mark, "quoted": mark + "\nsee"}[kind] for kind in kinds]
    ours = data.draw(st.sampled_from([None, *(i for i, kind in enumerate(kinds) if kind == "ours")]))
    holding = [i for i in range(min(len(kinds), 30)) if kinds[i] != "plain"]
    assert (cml.danger(texts, ours, "pawl") is None) == ((holding[-1] if holding else None) == ours)
    assert (cml.danger(texts, None, "pawl-other")) is None

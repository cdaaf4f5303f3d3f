"""Results between this machine and the remote: all that a training needs comes first, and only main's own goes back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pawl.errors import InputError
from pawl.session import Choices, open_session
from pawl.steps import plan_step, pull_step, push_step
from tests.support.loop import measure
from tests.support.repositories import branch, commit, git, make_repository, pawl, write

FASTER = {"params.yaml": "train:\n  rate: 2.0\n"}


@pytest.fixture
def connected(tmp_path: Path) -> Path:
    """A repository whose main has its results in a remote that is a folder, and a runner's cache beside it."""
    root = make_repository(tmp_path / "work")
    settings = (
        f"[core]\n    analytics = false\n    remote = store\n['remote \"store\"']\n    url = {tmp_path / 'store'}\n"
    )
    commit(root, "Remote", {".dvc/config": settings})
    return root


def runs(root: Path) -> set[str]:
    """The keys of the receipts in a cache or a remote."""
    return {path.parent.name for path in root.glob("runs/*/*/*")}


def push(root: Path) -> list[str]:
    said: list[str] = []
    push_step(open_session(Choices(root)), said.append)
    return said


def forget(root: Path) -> None:
    """What a fresh machine has: the commit and nothing else."""
    shutil.rmtree(root / ".dvc" / "cache")
    git(root, "clean", "--quiet", "-fdx", "--exclude", ".dvc")


def test_only_the_stages_of_this_commit_are_pushed(connected: Path, tmp_path: Path) -> None:
    """`dvc push --run-cache` would send what any branch has left in the cache."""
    branch(connected, "faster", FASTER)
    measure(connected)
    git(connected, "checkout", "--quiet", "--force", "main")
    own = measure(connected, base="HEAD", everything=True)
    assert push(connected) == ["pushed train", "pushed evaluate"]

    assert len(runs(connected / ".dvc" / "cache")) == 4
    assert runs(tmp_path / "store") == {stage.stage_key for stage in own.stages.stages}
    assert push(connected) == ["pushed train", "pushed evaluate"]
    assert len(runs(tmp_path / "store")) == 2


def test_a_fresh_machine_pulls_everything_and_then_needs_no_remote(connected: Path, tmp_path: Path) -> None:
    made = measure(connected, base="HEAD", everything=True)
    push(connected)
    branch(connected, "faster", FASTER)
    forget(connected)
    session = open_session(Choices(connected))
    plan, head_looks, base_looks = plan_step(session)
    said: list[str] = []
    assert pull_step(session, plan, head_looks, base_looks, said.append, rescored=False) == 2
    assert said == []
    (tmp_path / "store").rename(tmp_path / "gone")

    again = measure(connected, use_remote=False)
    assert again.trained() == ["head:train", "head:evaluate"]
    assert (again.outcome("train", "base"), again.outcome("evaluate", "base")) == ("restored", "restored")
    # With the record of the run that made it, which a runner elsewhere wrote.
    restored = again.result("train", "base")
    assert restored is not None
    assert restored.origin is not None
    assert restored.origin.commit == made.plan.head.commit
    assert restored.origin.environment_digest


def test_what_stages_that_run_will_read_is_pulled_too(connected: Path, tmp_path: Path) -> None:
    """Head's evaluation is another, its training the same: the model is needed though no stage of it is to be run."""
    measure(connected, base="HEAD", everything=True)
    push(connected)
    code = (connected / "evaluate.py").read_text()
    branch(connected, "other", {"evaluate.py": code + "# another\n"})
    forget(connected)
    session = open_session(Choices(connected))
    plan, head_looks, base_looks = plan_step(session)
    pull_step(session, plan, head_looks, base_looks, lambda line: None, rescored=True)
    (tmp_path / "store").rename(tmp_path / "gone")

    again = measure(connected, use_remote=False, rescore=True)
    assert again.trained() == ["head:evaluate"]
    assert {result.outcome for result in again.stages.rescored} == {"restored"}  # with this model, as head has it


def test_an_object_that_is_not_what_its_name_says_is_never_pushed(connected: Path, tmp_path: Path) -> None:
    measure(connected, base="HEAD", everything=True)
    [model] = [path for path in (connected / ".dvc/cache/files/md5").glob("*/*") if path.read_text() == "1.0"]
    model.chmod(0o644)
    model.write_text("9.9")
    with pytest.raises(InputError, match=r"not what its name says|has no result to push"):
        push(connected)
    assert not runs(tmp_path / "store")


def test_what_was_never_made_and_what_has_nowhere_to_go_is_said(connected: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no result to push"):
        push(connected)
    write(connected, {".dvc/config": "[core]\n    analytics = false\n"})
    git(connected, "commit", "--quiet", "--all", "--message", "No remote")
    with pytest.raises(InputError, match="there is no DVC remote"):
        push(connected)


def test_the_commands_say_what_they_did(connected: Path) -> None:
    for command in (["plan", "--base", "HEAD", "--all"], ["reproduce"], ["push"], ["pull"]):
        done = pawl(connected, *command)
        assert done.returncode == 0, done.stderr
    assert done.stderr.strip().endswith("pulled: 2 results are on this machine")


@pytest.mark.parametrize("scope", ["main", "pull-requests"])
def test_each_scope_has_results_of_its_own(connected: Path, monkeypatch: pytest.MonkeyPatch, scope: str) -> None:
    """What a pull request's stages left in their cache is no result of main's, and the reverse costs a training."""
    monkeypatch.setenv("PAWL_CACHE", scope)
    assert measure(connected, base="HEAD", everything=True).trained() == ["head:train", "head:evaluate"]
    other = "main" if scope == "pull-requests" else "pull-requests"
    monkeypatch.setenv("PAWL_CACHE", other)
    assert measure(connected, base="HEAD", everything=True, use_remote=False).trained() == [
        "head:train",
        "head:evaluate",
    ]
    monkeypatch.setenv("PAWL_CACHE", scope)
    assert measure(connected, base="HEAD", everything=True).trained() == []
    # Base's checkout shares the scope, and does not make one inside it.
    branch(connected, "faster", FASTER)
    assert measure(connected).trained() == ["head:train", "head:evaluate"]
    assert {path.name for path in (connected / ".dvc" / "cache").iterdir()} <= {"main", "pull-requests"}


def test_another_word_for_the_scope_is_refused(connected: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAWL_CACHE", "../main")
    with pytest.raises(InputError, match="PAWL_CACHE"):
        open_session(Choices(connected))

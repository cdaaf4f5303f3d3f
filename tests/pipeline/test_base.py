"""Which commit head is measured against, and that it is found before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from pawl import git as pawl_git
from pawl.errors import InputError
from tests.support.loop import measure
from tests.support.repositories import branch, commit, git, make_repository, pawl


def test_base_is_where_the_branch_left_main(repository: Path) -> None:
    left = git(repository, "rev-parse", "main")
    branch(repository, "feature", {"params.yaml": "train:\n  rate: 2.0\n"})
    git(repository, "checkout", "--quiet", "main")
    commit(repository, "main goes on", {"params.yaml": "train:\n  rate: 3.0\n"})
    git(repository, "checkout", "--quiet", "feature")
    resolved, note = pawl_git.resolve_base(repository, "main")
    assert (resolved.commit, note) == (left, "")


def test_base_of_githubs_merge_commit_is_main_itself(repository: Path) -> None:
    branch(repository, "feature", {"train.py": "print(1)\n"})
    git(repository, "checkout", "--quiet", "main")
    tip = commit(repository, "main goes on", {"other": "x"})
    git(repository, "checkout", "--quiet", "--detach", "main")
    git(repository, "merge", "--quiet", "--no-ff", "--message", "merge", "feature")
    assert pawl_git.resolve_base(repository, "main")[0].commit == tip


def test_the_nearer_of_main_and_origin_main_is_taken(repository: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(repository), str(clone))
    newer = commit(repository, "main goes on", {"other": "x"})
    git(clone, "fetch", "--quiet")
    git(clone, "checkout", "--quiet", "-b", "feature", "origin/main")
    commit(clone, "work", {"more": "y"})
    assert pawl_git.resolve_base(clone, "main")[0].commit == newer


def test_a_shallow_clone_without_main_is_deepened(repository: Path, tmp_path: Path) -> None:
    left = git(repository, "rev-parse", "main")
    git(repository, "checkout", "--quiet", "-b", "feature")
    for number in range(4):
        commit(repository, f"work {number}", {"params.yaml": f"train:\n  rate: {number + 2}.0\n"})
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--depth=1", "--branch=feature", f"file://{repository}", str(clone))
    measured = measure(clone)
    assert measured.plan.base.commit == left
    assert (measured.metric("accuracy").base, measured.metric("accuracy").head) == (0.6, 1.0)


def test_a_detached_head_is_measured_under_its_short_commit(repository: Path) -> None:
    made = branch(repository, "feature", {"params.yaml": "train:\n  rate: 2.0\n"})
    git(repository, "checkout", "--quiet", "--detach")
    measured = measure(repository)
    assert measured.plan.head.name == made[:10]
    assert (measured.metric("accuracy").base, measured.metric("accuracy").head) == (0.6, 0.7)


def test_base_that_is_head_trains_nothing_and_passes(repository: Path) -> None:
    measured = measure(repository)
    assert measured.trained() == []
    assert (measured.comparison.verdict, measured.comparison.gate_passed) == ("unchanged", True)


def test_all_reproduces_even_where_base_is_head(repository: Path) -> None:
    measured = measure(repository, everything=True)
    assert measured.trained() == ["head:train", "head:evaluate"]
    assert (repository / "metrics.json").exists()


def test_histories_without_a_common_commit_are_compared_by_their_tips(repository: Path) -> None:
    tip = git(repository, "rev-parse", "main")
    git(repository, "checkout", "--quiet", "--orphan", "fresh")
    commit(repository, "another start", {"params.yaml": "train:\n  rate: 2.0\n"})
    measured = measure(repository)
    assert measured.plan.base.commit == tip
    assert any("share no history" in note for note in measured.comparison.notes)
    assert (measured.metric("accuracy").base, measured.metric("accuracy").head) == (0.6, 0.7)


@pytest.mark.parametrize("name", ["nowhere", "--output=x", "refs/heads/../x"])
def test_an_unknown_base_is_one_sentence(repository: Path, name: str) -> None:
    with pytest.raises(InputError, match="neither a branch, a tag nor a commit"):
        pawl_git.resolve_base(repository, name)


def test_a_base_without_a_pipeline_leaves_nothing_to_compare_with(tmp_path: Path) -> None:
    from tests.support.repositories import FILES, write

    root = tmp_path / "repository"
    root.mkdir()
    git(root, "init", "--quiet", "--initial-branch=main")
    commit(root, "before DVC", {"README.md": "hello\n"})
    git(root, "checkout", "--quiet", "-b", "first")
    write(root, {".dvc/config": "[core]\n    analytics = false\n", ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n"})
    commit(root, "the pipeline", FILES | {"pawl.yaml": "metrics:\n  '*:accuracy': {primary: true}\n"})
    measured = measure(root)
    assert measured.planned("train").base_action == "absent"
    assert measured.metric("accuracy").reason == "new: base has no such metric"
    assert measured.comparison.verdict == "not comparable"
    assert measured.comparison.gate_passed


def test_without_git_or_dvc_the_error_says_what_to_do(tmp_path: Path) -> None:
    done = pawl(tmp_path, "plan")
    assert (done.returncode, done.stdout) == (2, "")
    assert "not inside a git repository" in done.stderr
    git(tmp_path, "init", "--quiet")
    commit(tmp_path, "start", {"a": "b"})
    done = pawl(tmp_path, "run")
    assert done.returncode == 2
    assert "not in a DVC repository: run `dvc init`" in done.stderr


def test_what_both_sides_share_is_planned_to_run_once(repository: Path) -> None:
    branch(repository, "evaluation", {"evaluate.py": "print('nothing')\n"})
    planned = measure(repository).planned("train")
    assert (planned.action, planned.base_action) == ("run", "restore")


def test_a_stage_that_head_has_done_away_with_is_made_for_base_where_nobody_has_it(tmp_path: Path) -> None:
    first = "  first: {cmd: cp data.txt first.txt, deps: [data.txt], outs: [first.txt]}\n"
    second = "  second: {{cmd: cp {0} second.txt, deps: [{0}], outs: [second.txt]}}\n"
    root = make_repository(tmp_path / "work", {"dvc.yaml": f"stages:\n{first}{second.format('first.txt')}"})
    branch(root, "direct", {"dvc.yaml": f"stages:\n{second.format('data.txt')}"})
    measured = measure(root)
    assert measured.trained() == ["head:second", "base:first", "base:second"]

"""Which outputs are packages, what they are called, and which metrics speak of them: from the graph alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from pawl.errors import InputError
from pawl.pipeline.project import open_project
from pawl.registry.history import is_in_history, order_on_main, pull_request_of, web_address
from pawl.registry.packages import Package, judging_stages, packages_of, registered_name
from tests.support.repositories import branch, commit, git, make_repository

PIPELINE = """
stages:
  data:
    cmd: x
    deps: [x]
    outs: [data]
  train:
    cmd: x
    deps: [data]
    outs: [models/net]
    metrics: [train.json]
  other:
    cmd: x
    deps: [data]
    outs: [models/other]
    metrics: [other.json]
  package:
    cmd: x
    deps: [models/net, data]
    outs: [packages/net]
  evaluate:
    cmd: x
    deps: [models/net, data]
    outs: [predictions]
  score:
    cmd: x
    deps: [predictions]
    metrics: [score.json]
  check:
    cmd: x
    deps: [packages/net]
    metrics: [check.json]
  whole:
    cmd: x
    deps: [data]
    outs: [packages/whole]
  judge:
    cmd: x
    deps: [packages/whole]
    metrics: [whole.json]
"""
MODELS = ["models/*"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repository", {"dvc.yaml": PIPELINE})


def test_packages_are_found_by_pattern_and_named_by_the_folder(root: Path) -> None:
    project = open_project(root)
    assert packages_of(project, ["packages/*"], "{repository}-{model}", "acme/ct") == [
        Package("packages/net", "package", "ct-net"),
        Package("packages/whole", "whole", "ct-whole"),
    ]
    assert packages_of(project, [], "{repository}-{model}", "acme/ct") == []
    assert [found.path for found in packages_of(project, ["*/whole"], "{model}", "ct")] == ["packages/whole"]
    with pytest.raises(InputError, match="models/net and packages/net would both be registered as ct-net"):
        packages_of(project, ["*/net"], "{repository}-{model}", "acme/ct")


def test_a_models_metrics_come_from_what_made_it_and_what_follows(root: Path) -> None:
    """Not from its data, which other models have too, nor from those."""
    project = open_project(root)
    net, whole = packages_of(project, ["packages/*"], "{model}", "ct")
    assert judging_stages(project, net, MODELS) == {"train", "package", "evaluate", "score", "check"}
    assert judging_stages(project, whole, MODELS) == {"whole", "judge"}


@pytest.mark.parametrize(
    ("pattern", "repository", "path", "name"),
    [
        ("{repository}-{model}", "acme/ct", "packages/digits", "ct-digits"),
        ("{repository}-{model}", "ct", "packages/digits", "ct-digits"),
        ("acme.{model}", "x", "a/b/c d:e", "acme.c-d-e"),
        ("{model}", "x", "packages/{repository}", "-repository-"),
    ],
)
def test_names_are_such_as_mlflow_takes(pattern: str, repository: str, path: str, name: str) -> None:
    assert registered_name(pattern, repository, path) == name


def test_the_place_of_a_commit_on_main(root: Path, tmp_path: Path) -> None:
    first = git(root, "rev-parse", "HEAD")
    side = branch(root, "side", {"a.txt": "a"})
    git(root, "checkout", "--quiet", "main")
    second = commit(root, "b", {"b.txt": "b"})
    git(root, "merge", "--quiet", "--no-ff", "-m", "Merge pull request #3 from acme/side", "side")
    third = git(root, "rev-parse", "HEAD")
    assert [order_on_main(root, each, "main") for each in (first, second, third)] == [1, 2, 3]
    with pytest.raises(InputError, match="is not on main"):
        order_on_main(root, side, "main")
    with pytest.raises(InputError, match="is not on trunk"):
        order_on_main(root, third, "trunk")
    assert is_in_history(root, side, third)
    assert not is_in_history(root, third, first)

    # What origin has decides where there is one; a shallow clone is deepened first.
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{root}", str(clone))
    assert order_on_main(clone, third, "main") == 3
    unpushed = commit(clone, "Not pushed")
    with pytest.raises(InputError, match="is not on main"):
        order_on_main(clone, unpushed, "main")


@pytest.mark.parametrize(
    ("subject", "number"),
    [
        ("Merge pull request #12 from acme/x", 12), ("Faster (#7)", 7), ("Faster (#7) again", None), ("#7", None),
    ],
)  # fmt: skip
def test_the_pull_request_is_what_github_writes(subject: str, number: int | None) -> None:
    assert pull_request_of(subject) == number


def test_the_repository_in_a_browser(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert web_address(root) is None
    for origin in (
        "git@github.com:acme/ct.git",
        "https://token@github.com/acme/ct",
        "ssh://git@github.com/acme/ct.git",
    ):
        git(root, "config", "remote.origin.url", origin)
        assert web_address(root) == "https://github.com/acme/ct"
    git(root, "config", "remote.origin.url", "https://elsewhere.example/acme/ct")
    assert web_address(root) is None
    monkeypatch.setenv("GITHUB_REPOSITORY", "acme/other")
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://git.acme.com")
    assert web_address(root) == "https://git.acme.com/acme/other"

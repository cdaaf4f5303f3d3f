"""The checkouts beside the workspace: what a stage there finds of the repository."""

from __future__ import annotations

from pathlib import Path

from pawl.pipeline.checkout import base_checkout
from tests.support.loop import measure
from tests.support.repositories import FILES, branch, commit, dvc, git, make_repository, write

# The data of a version that is no longer checked out, through DVC's interface, as its manual has it.
AT_TAG = """
import pathlib, yaml
from dvc.api import DVCFileSystem
version = yaml.safe_load(open("params.yaml"))["version"]
DVCFileSystem(".", rev=version).get_file("words.txt", "model.txt")
"""
PIPELINE = """
stages:
  train:
    cmd: python train.py
    deps: [train.py]
    params: [version]
    outs: [model.txt]
  count:
    cmd: python count.py
    deps: [count.py, model.txt]
    metrics: [metrics.json]
"""
COUNT = """
import json
json.dump({"words": len(open("model.txt").read().split())}, open("metrics.json", "w"))
"""


def test_a_stage_finds_data_by_tag_on_base_and_with_a_parameter_set(tmp_path: Path) -> None:
    files = {"train.py": AT_TAG, "dvc.yaml": PIPELINE, "count.py": COUNT, "params.yaml": "version: dv1\n"}
    root = make_repository(tmp_path / "repository", files)
    for tag, words in (("dv1", "a b"), ("dv2", "a b c d")):
        write(root, {"words.txt": words})
        dvc(root, "add", "words.txt")
        commit(root, f"data {tag}")
        git(root, "tag", "--annotate", "--message", tag, tag)
    branch(root, "later", {"train.py": AT_TAG + "# later\n"})
    metric = measure(root, overrides=("version=dv2",)).metric("words")
    assert (metric.base, metric.head) == (2.0, 4.0)


def test_tags_follow_those_of_the_repository(repository: Path) -> None:
    first = git(repository, "rev-parse", "HEAD")
    for tag in ("stays", "moves", "goes"):
        git(repository, "tag", tag)
    checkout = base_checkout(repository, first)
    assert git(checkout, "tag") == "goes\nmoves\nstays"
    second = commit(repository, "later", {"train.py": FILES["train.py"] + "# later\n"})
    git(repository, "tag", "--force", "moves")
    git(repository, "tag", "comes")
    git(repository, "tag", "--delete", "goes")
    assert base_checkout(repository, first) == checkout
    assert git(checkout, "tag") == "comes\nmoves\nstays"
    assert git(checkout, "rev-parse", "moves", "stays", "HEAD").splitlines() == [second, first, first]


def test_a_shallow_clone_gives_the_tags_that_it_has(repository: Path, tmp_path: Path) -> None:
    git(repository, "tag", "old")
    tip = commit(repository, "later", {"other": "x"})
    git(repository, "tag", "new")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{repository}", str(clone))
    git(clone, "fetch", "--quiet", "--depth=1", "origin", "refs/tags/new:refs/tags/new")
    assert git(base_checkout(clone, tip), "tag") == "new"

"""A run says what its result follows from: each digest changes with its own cause, and with no other."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pawl.config import Config
from pawl.pipeline.project import open_project
from pawl.tracking.events import Begun, Inputs, Params
from pawl.tracking.lineage import about_checkout, begun_of, data_tag, outputs_digest, provenance
from pawl.tracking.server import Checkout
from tests.support.repositories import EVALUATE, TRAIN, commit, dvc, git, make_repository, write
from tests.tracking.said import ABOUT, MACHINE, looked_over

KEY = "k" * 64


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repository")


def begun(root: Path, name: str = "evaluate", side: str = "head") -> tuple[Begun, Params, Inputs]:
    project = looked_over(root)
    stage = project.stage(name)
    assert stage is not None
    return begun_of(ABOUT, "run-1", project, stage, side, KEY, forced=False, at_ms=5)  # type: ignore[arg-type]


def test_each_tag_is_of_what_it_says(root: Path) -> None:
    dvc(root, "repro", "-q")
    event, params, inputs = begun(root, "train")
    assert (event.run, event.name, event.parent, event.key) == ("run-1", "train 1111111111", "parent-1", KEY)
    tags = dict(event.tags)
    assert len(tags.pop("pawl.code")) == 64
    assert tags == {
        "pawl.stage": "train",
        "pawl.side": "head",
        "mlflow.source.git.commit": "1" * 40,
        "mlflow.source.name": "ct",
        "pawl.data_revision": "data-7",
        "pawl.remote": "store gs://b",
        "pawl.diff": "d",
        "pawl.device": "a processor",
        "pawl.environment": "e" * 64,
    }
    assert params.values == {"train.rate": "1.0"}
    assert inputs.datasets == ()
    of_base, _, _ = begun(root, "train", "base")
    assert (of_base.tags["mlflow.source.git.commit"], of_base.tags["pawl.diff"]) == ("2" * 40, "clean")
    assert of_base.tags["pawl.side"] == "base"


def test_what_is_read_and_what_reads_it_are_two_digests(root: Path) -> None:
    def digests() -> tuple[str, str]:
        dvc(root, "repro", "-q")
        event, _, _ = begun(root)
        return event.tags["pawl.inputs"], event.tags["pawl.code"]

    first = digests()
    write(root, {"README.md": "nothing that is read\n"})
    assert digests() == first
    write(root, {"evaluate.py": EVALUATE + "# more\n"})
    code = digests()
    assert (code[0] == first[0], code[1] == first[1]) == (True, False)
    write(root, {"train.py": TRAIN.replace("FACTOR = 1.0", "FACTOR = 2.0")})
    data = digests()
    assert (data[0] == code[0], data[1] == code[1]) == (False, True)


def test_what_is_read_is_a_data_set_with_its_hash_and_its_place(root: Path) -> None:
    dvc(root, "repro", "-q")
    _, _, inputs = begun(root)
    [dataset] = inputs.datasets
    locked = open_project(root).repo.index.stages
    [out] = [out for stage in locked for out in stage.outs if str(out) == "model.txt"]
    assert (dataset.name, dataset.digest) == ("model.txt", out.hash_info.value)
    assert json.loads(dataset.source) == {
        "path": "model.txt", "hash": out.hash_info.value, "remote": "store gs://b", "commit": "1" * 40, "tag": "data-7",
    }  # fmt: skip


def test_outputs_have_a_digest_of_their_own(root: Path) -> None:
    def digest() -> str:
        dvc(root, "repro", "-q")
        project = open_project(root)
        stage = project.stage("evaluate")
        assert stage is not None
        return outputs_digest(project, stage)

    first = digest()
    assert digest() == first
    write(root, {"evaluate.py": EVALUATE + "# the same is written\n"})
    assert digest() == first
    write(root, {"evaluate.py": EVALUATE.replace("value / 10", "value / 20")})
    assert digest() != first


def test_provenance_has_all_of_it(root: Path) -> None:
    dvc(root, "repro", "-q")
    project = looked_over(root)
    stage = project.stage("train")
    assert stage is not None
    record = provenance(ABOUT, project, stage, "head", KEY, "trained")
    found = json.loads(record)
    deps = {dep["path"] for dep in found["recorded"]["deps"]}
    assert deps == {"train.py", "data.txt"}
    assert {key: found[key] for key in ("stage", "stage_key", "outcome", "commit", "uncommitted", "data_tag")} == {
        "stage": "train", "stage_key": KEY, "outcome": "trained", "commit": "1" * 40, "uncommitted": "d",
        "data_tag": "data-7",
    }  # fmt: skip
    assert (found["packages"], found["environment_digest"]) == ({"dvc": "3"}, "e" * 64)
    assert record == provenance(ABOUT, project, stage, "head", KEY, "trained")
    assert json.loads(provenance(ABOUT, project, stage, "base", KEY, "trained"))["uncommitted"] == "clean"


def test_a_remote_is_named_without_what_opens_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_REPOSITORY", "acme/ct")
    remote = "[core]\n    remote = store\n['remote \"store\"']\n    url = https://somebody:s3cret@dvc.example.com/x?t=s3cret\n"
    commit(root, "a remote", {".dvc/config": remote})
    project = looked_over(root)
    place, commits = Checkout(root, Config()), {"head": "1" * 40, "base": "2" * 40}
    said = about_checkout(place, project.repo, "faster", commits, MACHINE, 5, diff="clean")  # type: ignore[arg-type]
    assert said.remote == "store https://dvc.example.com/x"
    assert "s3cret" not in str(said)
    assert (said.experiment, said.also) == ("acme/ct branches", "acme/ct")
    assert said.parent.tags["pawl.base"] == "2" * 40


@pytest.mark.parametrize(
    ("env", "name"),
    [
        ({}, "faster"),
        ({"GITHUB_REF": "refs/pull/7/merge", "GITHUB_EVENT_NAME": "pull_request"}, "#7 faster"),
        ({"GITHUB_REF": "refs/pull/7x/merge", "GITHUB_EVENT_NAME": "pull_request"}, "faster"),
        ({"GITHUB_REF": "refs/heads/main", "GITHUB_EVENT_NAME": "push"}, "main"),
        ({"GITHUB_REF": "refs/heads/main", "GITHUB_EVENT_NAME": "workflow_dispatch"}, "faster"),
    ],
)
def test_the_parent_is_a_pull_request_or_a_branch(
    env: dict[str, str], name: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in {"GITHUB_REPOSITORY": "acme/ct", "GITHUB_SERVER_URL": "https://github.com", **env}.items():
        monkeypatch.setenv(variable, value)
    place, commits = Checkout(root, Config()), {"head": "1" * 40, "base": "2" * 40}
    repo = open_project(root).repo
    said = about_checkout(place, repo, "faster", commits, MACHINE, 5, diff="clean")  # type: ignore[arg-type]
    assert said.parent.name == name
    link = "https://github.com/acme/ct/pull/7" if name.startswith("#") else None
    assert said.parent.tags.get("pawl.pull_request") == link
    assert said.parent.tags["pawl.branch"] == ("main" if name == "main" else "faster")
    again = about_checkout(place, repo, "faster", commits, MACHINE, 9, diff="clean")  # type: ignore[arg-type]
    assert replace(again, parent=said.parent) == said
    assert again.parent.run == said.parent.run
    other = about_checkout(place, repo, "slower", commits, MACHINE, 5, diff="clean")  # type: ignore[arg-type]
    assert (other.parent.run == said.parent.run) == (name == "main")


def test_data_is_named_by_the_newest_tag_that_the_commit_has(root: Path) -> None:
    place = Checkout(root, Config(data_tags="data-*"))
    first = git(root, "rev-parse", "HEAD")
    assert data_tag(place, first) == ""
    git(root, "tag", "data-1")
    git(root, "tag", "v9")
    second = commit(root, "more", {"data.txt": "a b\n"})
    git(root, "tag", "data-2")
    assert (data_tag(place, first), data_tag(place, second)) == ("data-1", "data-2")
    assert data_tag(Checkout(root, Config()), second) == ""

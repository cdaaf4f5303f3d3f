"""`pawl promote` on real repositories with a real database: what comes of three commits, and whom it trusts."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient

from pawl.commands.registry import promote, verify
from pawl.errors import InputError
from pawl.registry.signing import NotTrustedError
from pawl.schema.promotion import Promotion
from tests.registry.keys import make_keys
from tests.registry.pipeline import CONFIG, NAME, PACKAGE, aliases, make_pets, named, promotion_of
from tests.support.repositories import branch, commit, git
from tests.verdicts.fixture import TRAIN, params


@dataclass(frozen=True)
class Story:
    """Three commits of main, each promoted: the first, a better one and a worse one."""

    root: Path
    commits: list[str]
    promotions: list[Promotion]
    aliases: list[dict[str, int]]
    after_dry_run: dict[str, int]


@pytest.fixture(scope="module")
def story(database: str, tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder = tmp_path_factory.mktemp("story")
    private, public = make_keys(folder)
    root = make_pets(folder / "ct")
    commits, promotions, found = [], [], []
    dry: dict[str, int] = {}
    with pytest.MonkeyPatch.context() as signer:
        signer.setenv("PAWL_SIGNING_KEY", private.read_text())
        for subject, skill in (("Start", 0.8), ("Merge pull request #7 from acme/better", 0.95), ("Worse (#8)", 0.5)):
            files = {"params.yaml": params(skill=skill), "model-signing.pub": public.read_text()}
            commits.append(commit(root, subject, files))
            if skill == 0.95:
                promote(folder=root, dry_run=True)
                dry = aliases(database)
            promote(folder=root)
            promotions.append(promotion_of(root))
            found.append(aliases(database))
    return Story(root, commits, promotions, found, dry)


def test_the_first_is_champion_the_better_one_too_and_the_worse_one_is_not(story: Story) -> None:
    assert story.aliases == [
        {"candidate": 1, "champion": 1}, {"candidate": 2, "champion": 2}, {"candidate": 3, "champion": 2},
    ]  # fmt: skip
    decisions = [promotion.models[0].decision for promotion in story.promotions]
    assert decisions == ["champion", "champion", "candidate"]
    why = [promotion.models[0].why for promotion in story.promotions]
    assert "no champion yet" in why[0]
    assert why[1].startswith("1 primary metric holds against the champion; Better: accuracy")
    assert "is worse than the champion" in why[2]


def test_a_dry_run_changes_nothing(story: Story) -> None:
    assert story.after_dry_run == story.aliases[0]


def test_what_was_decided_is_written_down(story: Story) -> None:
    first, second, third = (promotion.models[0] for promotion in story.promotions)
    assert first.champion is None
    assert second.champion is not None
    assert third.champion is not None
    assert (second.champion.version, second.champion.commit) == (1, story.commits[0])
    assert (third.champion.version, third.champion.commit) == (2, story.commits[1])
    assert second.champion.package == first.package
    assert [promotion.head.commit for promotion in story.promotions] == story.commits
    assert [promotion.pull_request for promotion in story.promotions] == [None, 7, 8]
    assert {metric.key: metric.verdict for metric in third.metrics}["accuracy"] == "worse"
    assert [model.version for model in (first, second, third)] == [1, 2, 3]
    assert all(model.signed for model in (first, second, third))


def test_the_champion_loads_without_the_repository_and_is_what_was_signed(
    story: Story, database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    # From a store on this machine MLflow loads in place, and Python would leave its bytecode there.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    mlflow.set_tracking_uri(database)
    assert mlflow.pyfunc.load_model(f"models:/{NAME}@champion").predict([[1]]) == [0.95]
    version = MlflowClient(tracking_uri=database).get_model_version(NAME, "2")
    downloaded = mlflow.artifacts.download_artifacts(artifact_uri=f"models:/{NAME}/2", dst_path=str(tmp_path / "own"))
    for model in (f"models:/{NAME}@champion", f"models:/{NAME}/2", str(Path(downloaded))):
        verify(model, folder=story.root)
        assert capsys.readouterr().out == f"ok: {model} is what was signed\n"
    place = version.source.partition("/artifacts/")[2]
    verify(f"runs:/{version.run_id}/{place}", folder=story.root)


def test_promoting_again_changes_nothing(story: Story, database: str) -> None:
    client = MlflowClient(tracking_uri=database)
    before = [(version.version, version.tags) for version in client.search_model_versions(f"name = '{NAME}'")]
    promote(folder=story.root)
    assert [(version.version, version.tags) for version in client.search_model_versions(f"name = '{NAME}'")] == before
    assert aliases(database) == story.aliases[-1]


def test_only_mains_own_commits_are_promoted(story: Story) -> None:
    root = story.root
    try:
        branch(root, "faster", {"params.yaml": params(skill=0.99)})
        with pytest.raises(InputError, match="is not on main: models are promoted from there alone"):
            promote(folder=root)
        git(root, "checkout", "--quiet", "main")
        git(root, "merge", "--quiet", "--no-ff", "-m", "Merge", "faster")
        git(root, "checkout", "--quiet", "faster")
        with pytest.raises(InputError, match="is not on main"):
            promote(folder=root)
        git(root, "checkout", "--quiet", "main")
        (root / "train.py").write_text(TRAIN + "\n")
        with pytest.raises(InputError, match="uncommitted"):
            promote(folder=root)
    finally:
        git(root, "checkout", "--quiet", "--force", "main")


def test_a_stage_sees_nothing_of_the_key_or_the_server(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private, public = make_keys(tmp_path)
    seen = tmp_path / "seen.json"
    script = f"import json, os\njson.dump(dict(os.environ), open({str(seen)!r}, 'w'))\n" + PACKAGE
    files = {"package.py": script, "model-signing.pub": public.read_text()}
    root = make_pets(tmp_path / "ct", files, config=named(CONFIG, "secret"))
    monkeypatch.setenv("PAWL_SIGNING_KEY", private.read_text())
    promote(folder=root)
    assert promotion_of(root).models[0].signed
    environment: dict[str, Any] = json.loads(seen.read_text())
    assert not [name for name in environment if name.startswith("MLFLOW") or "SIGNING" in name]
    assert private.read_text() not in environment.values()


def test_a_champion_that_was_tampered_with_is_refused(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private, public = make_keys(tmp_path)
    root = make_pets(tmp_path / "ct", {"model-signing.pub": public.read_text()}, config=named(CONFIG, "forged"))
    with monkeypatch.context() as signer:
        signer.setenv("PAWL_SIGNING_KEY", private.read_text())
        promote(folder=root)
    version = MlflowClient(tracking_uri=database).get_model_version("forged-pets", "1")
    victim = Path(version.source) / "code" / "pets_model.py"
    content = victim.read_text()
    victim.write_text(content.replace("self.skill for", "1.0 for"))
    for act in (lambda: promote(folder=root), lambda: verify("models:/forged-pets@champion", folder=root)):
        commit(root, "Better", {"params.yaml": params(skill=0.95)})
        with pytest.raises(NotTrustedError, match=r"is not what was signed: .*pets_model\.py"):
            act()
    victim.write_text(content)
    verify("models:/forged-pets@champion", folder=root)

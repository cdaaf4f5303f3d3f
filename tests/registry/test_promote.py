"""`pawl promote` on real repositories with a real database: what it measures beside what, and what comes of it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
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
from tests.registry.pipeline import CONFIG, NAME, PACKAGE, make_pets
from tests.support.repositories import branch, commit, git
from tests.verdicts.fixture import PIPELINE, TRAIN, evaluate, params


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    uri = f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"
    os.environ["MLFLOW_TRACKING_URI"] = uri
    yield uri
    del os.environ["MLFLOW_TRACKING_URI"]


@pytest.fixture(autouse=True)
def _unsigned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PAWL_SIGNING_KEY", raising=False)


def aliases(uri: str, name: str = NAME) -> dict[str, int]:
    found = MlflowClient(tracking_uri=uri).get_registered_model(name).aliases
    return {alias: int(version) for alias, version in found.items()}


def promotion_of(root: Path) -> Promotion:
    return Promotion.model_validate_json((root / "reports" / "promotion.json").read_bytes())


def named(config: str, model: str) -> str:
    """The settings with another name in the registry, so that tests share a database and nothing in it."""
    return config.replace("acme-{model}", f"{model}-{{model}}")


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
    os.environ["PAWL_SIGNING_KEY"] = private.read_text()
    for subject, skill in (("Start", 0.8), ("Merge pull request #7 from acme/better", 0.95), ("Worse (#8)", 0.5)):
        commits.append(
            commit(root, subject, {"params.yaml": params(skill=skill), "model-signing.pub": public.read_text()})
        )
        if skill == 0.95:
            promote(folder=root, dry_run=True)
            dry = aliases(database)
        promote(folder=root)
        promotions.append(promotion_of(root))
        found.append(aliases(database))
    del os.environ["PAWL_SIGNING_KEY"]
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


def test_the_champion_is_judged_on_the_present_test_set(database: str, tmp_path: Path) -> None:
    """As it never was before: head's questions are others, and its model is the same."""
    root = make_pets(tmp_path / "ct", config=named(CONFIG, "again"))
    promote(folder=root)
    commit(root, "Other questions, other seed", {"params.yaml": params(data_seed=2, seed=2, examples=400)})
    promote(folder=root)
    [model] = promotion_of(root).models
    [accuracy] = [metric for metric in model.metrics if metric.key == "accuracy"]
    assert accuracy.verdict != "not comparable"
    assert accuracy.base is not None
    assert round(accuracy.base * 400) == pytest.approx(accuracy.base * 400), "of 400 examples, which only head has"
    assert (model.decision, model.champion_now) == ("champion", 2)


def test_a_package_that_is_the_champions_makes_no_version(database: str, tmp_path: Path) -> None:
    root = make_pets(tmp_path / "ct", config=named(CONFIG, "same"))
    promote(folder=root)
    commit(root, "A note", {"README.md": "hello\n"})
    promote(folder=root)
    [model] = promotion_of(root).models
    assert (model.decision, model.version) == ("unchanged", 1)
    assert aliases(database, "same-pets") == {"candidate": 1, "champion": 1}


def test_what_was_rolled_back_does_not_come_back_by_itself(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_pets(tmp_path / "ct", config=named(CONFIG, "back"))
    promote(folder=root)
    commit(root, "Better", {"params.yaml": params(skill=0.95)})
    promote(folder=root)
    capsys.readouterr()
    promote(folder=root, rollback=True)
    assert capsys.readouterr().out == "back-pets: version 1 is champion again, in place of version 2\n"
    commit(root, "A note", {"README.md": "hello\n"})
    promote(folder=root)
    [model] = promotion_of(root).models
    assert (model.decision, model.version, model.champion_now) == ("candidate", 2, 1)
    with pytest.raises(InputError, match="there is none to go back to"):
        promote(folder=root, rollback=True)
    with pytest.raises(InputError, match='did you mean "back-pets"'):
        promote(folder=root, rollback=True, model="back-pet")


TWO = (
    PIPELINE
    + """
  package:
    cmd: python package.py
    deps: [package.py, model.json]
    outs: [packages/pets]
  train_b:
    cmd: python train_b.py
    deps: [train_b.py]
    params: [train_b]
    outs: [b/model.json]
  evaluate_b:
    cmd: python evaluate_b.py
    deps: [evaluate_b.py, manifest.csv, b/model.json]
    outs: [b/predictions.parquet]
    metrics: [b/metrics.json]
  package_b:
    cmd: python package_b.py
    deps: [package_b.py, b/model.json]
    outs: [packages/birds]
""".lstrip("\n")
)


def of_b(script: str) -> str:
    """The script for the second model."""
    for name in ("model.json", "predictions.parquet", "metrics.json"):
        script = script.replace(f'"{name}"', f'"b/{name}"')
    script = script.replace('target / "b/model.json"', 'target / "model.json"')
    return "import pathlib\npathlib.Path('b').mkdir(exist_ok=True)\n" + script.replace(
        "packages/pets", "packages/birds"
    )


def test_models_are_judged_each_beside_its_own_champion(database: str, tmp_path: Path) -> None:
    def both(pets: float, birds: float) -> dict[str, str]:
        return {"params.yaml": params(skill=pets) + f"train_b:\n  skill: {birds}\n  seed: 3\n"}

    files = {
        "dvc.yaml": TWO,
        "train_b.py": of_b(TRAIN).replace('["train"]', '["train_b"]'),
        "evaluate_b.py": of_b(evaluate()),
        "package_b.py": of_b(PACKAGE),
    }
    config = named(CONFIG, "two").replace('["model.json"]', '["*model.json"]').replace(
        '"metrics.json:', '"*metrics.json:'
    )  # fmt: skip
    root = make_pets(tmp_path / "ct", files | both(0.7, 0.7), config=config)
    first = git(root, "rev-parse", "HEAD")
    promote(folder=root)
    second = commit(root, "Pets better, birds worse", both(0.9, 0.5))
    promote(folder=root)
    assert aliases(database, "two-pets") == {"candidate": 2, "champion": 2}
    assert aliases(database, "two-birds") == {"candidate": 2, "champion": 1}
    commit(root, "Birds better, pets worse", both(0.6, 0.95))
    promote(folder=root)
    assert aliases(database, "two-pets") == {"candidate": 3, "champion": 2}
    assert aliases(database, "two-birds") == {"candidate": 3, "champion": 3}
    found = {model.name: model for model in promotion_of(root).models}
    assert {name: model.champion.commit for name, model in found.items() if model.champion} == {
        "two-pets": second, "two-birds": first,
    }  # fmt: skip
    paths = {name: {metric.path for metric in model.metrics} for name, model in found.items()}
    assert paths["two-birds"] == {"b/metrics.json", "b/predictions.parquet"}
    assert paths["two-pets"] == {"metrics.json", "predictions.parquet"}


def test_a_first_model_must_beat_what_one_gets_without(database: str, tmp_path: Path) -> None:
    config = named(CONFIG, "weak").replace("tolerance: 0.01", "tolerance: 0.01, beats: majority")
    script = evaluate().replace('"examples": len(table)', '"examples": len(table), "majority": 0.9')
    root = make_pets(tmp_path / "ct", {"evaluate.py": script}, config=config)
    promote(folder=root)
    [model] = promotion_of(root).models
    assert model.decision == "candidate"
    assert "does not beat majority" in model.why
    assert aliases(database, "weak-pets") == {"candidate": 1}


def test_the_steps_by_themselves_need_no_more_than_they_should(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measuring with a server that cannot be reached, registering with a DVC remote that cannot."""
    root = make_pets(tmp_path / "ct", config=named(CONFIG, "steps"))
    with pytest.raises(InputError, match=r"champions\.json does not exist: run `pawl promote --step pull` first"):
        promote(folder=root, step="measure")
    promote(folder=root, step="pull")
    with pytest.raises(InputError, match="run `pawl promote --step measure` first"):
        promote(folder=root, step="register")
    with monkeypatch.context() as nobody:
        nobody.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        promote(folder=root, step="measure")
    [model] = promotion_of(root).models
    assert (model.decision, model.version) == ("champion", None)
    promote(folder=root, step="register", dry_run=True)
    assert promotion_of(root).models[0].version is None
    promote(folder=root, step="register")
    assert promotion_of(root).models[0].version == 1

    # Of another commit, or of other files than were measured, nothing is registered.
    commit(root, "Better", {"params.yaml": params(skill=0.95)})
    for step in ("measure", "register"):
        with pytest.raises(InputError, match="another is checked out"):
            promote(folder=root, step=step)
    promote(folder=root, step="pull")
    promote(folder=root, step="measure")
    (root / "packages" / "pets" / "MLmodel").unlink()
    (root / "packages" / "pets" / "MLmodel").write_text("other")
    with pytest.raises(InputError, match="is not what was measured"):
        promote(folder=root, step="register")


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


def test_without_a_server_it_says_so_and_is_done(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_pets(tmp_path / "ct", config=named(CONFIG, "none"))
    with monkeypatch.context() as nobody:
        nobody.setenv("MLFLOW_TRACKING_URI", "")
        for step in ("pull", "measure", "register"):
            promote(folder=root, step=step)
            assert "no server is named in MLFLOW_TRACKING_URI, so nothing is registered" in capsys.readouterr().err
    commit(root, "Off", {"pawl.yaml": CONFIG + "tracking: {enabled: false}\n"})
    promote(folder=root)
    assert "tracking.enabled is false in pawl.yaml" in capsys.readouterr().err
    commit(root, "No packages", {"pawl.yaml": CONFIG + "packages: []\n"})
    promote(folder=root)
    assert "there is nothing to register" in capsys.readouterr().err
    assert not (root / "reports" / "promotion.json").exists()

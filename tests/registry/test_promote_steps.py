"""The steps of `pawl promote` by themselves: what each may reach, and what it sees of keys and servers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from pawl.commands.registry import promote
from pawl.errors import InputError
from pawl.schema import Stages
from tests.registry.pipeline import CONFIG, make_pets, named, promotion_of
from tests.support.repositories import commit, git, pawl
from tests.verdicts.fixture import params


@pytest.fixture(scope="module")
def measured(database: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A commit that was measured and is not registered yet."""
    root = make_pets(tmp_path_factory.mktemp("measured") / "ct", config=named(CONFIG, "forged"))
    for step in ("pull", "measure"):
        promote(folder=root, step=step)
    return root


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


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda made: made["models"][0].update(name="forged-birds"), "names forged-birds, which is no package"),
        (lambda made: made["models"][0].update(path="../elsewhere"), "names forged-pets, which is no package"),
        (lambda made: made["models"][0].update(stage="train"), "names forged-pets, which is no package"),
        (lambda made: made.update(order=99), "says 99 for the place of this commit"),
        (lambda made: made["models"][0].update(package="0" * 32), "is not what was measured"),
        (lambda made: made["head"].update(commit="0" * 40), "another is checked out"),
        (lambda made: made["models"][0].update(decision="emperor"), r"promotion\.json"),
        (lambda made: made.update(more=1), r"promotion\.json"),
    ],
    ids=["name", "path", "stage", "order", "package", "commit", "decision", "unknown"],
)
def test_what_a_stage_could_have_written_is_not_believed(
    change: Callable[[dict[str, Any]], None], told: str, measured: Path, database: str
) -> None:
    file = measured / "reports" / "promotion.json"
    content = file.read_bytes()
    made = json.loads(content)
    change(made)
    file.write_text(json.dumps(made))
    try:
        with pytest.raises(InputError, match=told):
            promote(folder=measured, step="register")
    finally:
        file.write_bytes(content)
    assert not MlflowClient(tracking_uri=database).search_registered_models("name LIKE 'forged%'")


def test_measuring_needs_nothing_that_pulling_has_not_fetched(database: str, tmp_path: Path) -> None:
    """On a machine that has seen nothing, with a remote that is gone after the first step: nobody is trained again."""
    remote, root = tmp_path / "remote", make_pets(tmp_path / "ct", config=named(CONFIG, "fetched"))
    commit(root, "A remote", {".dvc/config": f"[core]\n    remote = own\n['remote \"own\"']\n    url = {remote}\n"})
    promote(folder=root)
    for params_of_commit in (params(), params(data_seed=2, seed=2, examples=400)):
        commit(root, "Other questions", {"params.yaml": params_of_commit})
        for command in (["plan", "--base=HEAD", "--all"], ["reproduce"], ["push"]):
            done = pawl(root, *command)
            assert done.returncode == 0, done.stderr
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(root), str(clone))
    promote(folder=clone, step="pull")
    remote.rename(tmp_path / "gone")
    promote(folder=clone, step="measure")
    [model] = promotion_of(clone).models
    [accuracy] = [metric for metric in model.metrics if metric.key == "accuracy"]
    assert (accuracy.base is not None, accuracy.verdict) == (True, "no measurable change")
    [file] = (clone / "reports" / "promotion").glob("*/stages.json")
    outcomes = {stage.outcome for stage in Stages.model_validate_json(file.read_bytes()).stages}
    assert outcomes == {"restored"}

"""Which model `pawl promote` makes champion: beside which champion, on which test set, by which metrics."""

from __future__ import annotations

from pathlib import Path

import pytest

from pawl.commands.registry import promote
from pawl.errors import InputError
from tests.registry.pipeline import CONFIG, PACKAGE, aliases, make_pets, named, promotion_of
from tests.support.repositories import commit, git
from tests.verdicts.fixture import PIPELINE, TRAIN, evaluate, params


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

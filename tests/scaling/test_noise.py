"""The luck of the seed, measured on a cluster."""

from __future__ import annotations

from pathlib import Path

from pawl.config import load_config
from pawl.noise.measure import measure_noise
from pawl.scaling.fleet import Engine
from pawl.schema import Noise
from tests.scaling.conftest import Machines
from tests.scaling.world import apart
from tests.support.repositories import make_repository

TRAIN = """
import pathlib, random, sys, yaml
seed = yaml.safe_load(open("params.yaml"))["train"]["seed"]
with open({log!r}, "a") as log:
    log.write(str(seed) + "\\n")
pathlib.Path("metrics.json").write_text('{{"accuracy": ' + repr(random.Random(seed).random()) + "}}")
"""
PIPELINE = """
stages:
  train: {cmd: python train.py, deps: [train.py], params: [train.seed], metrics: [metrics.json]}
"""


def measured(root: Path, engine: Engine | None) -> Noise:
    return measure_noise(root, load_config(root), 3, lambda _: None, jobs=None, engine=engine)


def test_seeds_are_trained_on_the_nodes_once_and_give_what_they_give_here(machines: Machines, tmp_path: Path) -> None:
    found, log = {}, tmp_path / "seeds.log"
    for name in ("far", "here"):
        config = f"[core]\n    remote = store\n['remote \"store\"']\n    url = {tmp_path / name / 'store'}\n"
        root = make_repository(
            tmp_path / name / "work",
            {"train.py": TRAIN.format(log=str(log)), "dvc.yaml": PIPELINE, "params.yaml": "train:\n  seed: 7\n"}
            | {".dvc/config": config},
        )
        engine = Engine("ray", machines.address) if name == "far" else None
        found[name] = apart(measured, root, engine)
        assert sorted(log.read_text().split()) == ["1001", "1002", "1003", "7"]
        if engine is not None:
            again = apart(measured, root, engine)
            assert again.metrics == found[name].metrics
            assert len(log.read_text().split()) == 4
        log.unlink()
    far, here = found["far"], found["here"]
    assert [metric.model_dump(exclude={"recipe_key"}) for metric in far.metrics] == [
        metric.model_dump(exclude={"recipe_key"}) for metric in here.metrics
    ]
    assert far.metrics[0].values[0] != far.metrics[0].values[1]

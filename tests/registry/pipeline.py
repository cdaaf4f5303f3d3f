"""The repository of tests/verdicts with a stage that makes a package of its model, which MLflow loads by itself."""

from __future__ import annotations

from pathlib import Path

from mlflow import MlflowClient

from pawl.schema.promotion import Promotion
from tests.verdicts.fixture import PIPELINE, make_fixture

# By hand what `mlflow.pyfunc.save_model` would write, without the clock and the uuid that it puts in.
PACKAGE = """
import json, pathlib, shutil
target = pathlib.Path("packages/pets")
shutil.rmtree(target, ignore_errors=True)
(target / "code").mkdir(parents=True)
shutil.copyfile("model.json", target / "model.json")
(target / "code" / "pets_model.py").write_text('''
import json, pathlib

class Pets:
    def __init__(self, skill):
        self.skill = skill

    def predict(self, model_input, params=None):
        return [self.skill for _ in range(len(model_input))]

def _load_pyfunc(path):
    return Pets(json.loads(pathlib.Path(path).read_text())["skill"])
''')
(target / "MLmodel").write_text('''\\
flavors:
  python_function:
    code: code
    data: model.json
    loader_module: pets_model
    python_version: 3.11.0
''')
VERSION = 1
"""
STAGE = """
  package:
    cmd: python package.py
    deps: [package.py, model.json]
    outs: [packages/pets]
"""
CONFIG = """
models: ["model.json"]
metrics:
  "metrics.json:accuracy": {direction: higher, primary: true, tolerance: 0.01}
  "metrics.json:examples": {direction: none}
registry:
  name: "acme-{model}"
"""
NAME = "acme-pets"


def make_pets(root: Path, files: dict[str, str] | None = None, *, config: str = CONFIG) -> Path:
    """The repository on main, with a model of skill 0.8."""
    own = {"package.py": PACKAGE, "dvc.yaml": PIPELINE + STAGE.lstrip("\n")}
    return make_fixture(root, own | (files or {}), config=config)


def named(config: str, model: str) -> str:
    """The settings with another name in the registry, so that tests share a database and nothing in it."""
    return config.replace("acme-{model}", f"{model}-{{model}}")


def aliases(uri: str, name: str = NAME) -> dict[str, int]:
    """Which version each alias of the model names."""
    found = MlflowClient(tracking_uri=uri).get_registered_model(name).aliases
    return {alias: int(version) for alias, version in found.items()}


def promotion_of(root: Path) -> Promotion:
    """What the last `pawl promote` there wrote down."""
    return Promotion.model_validate_json((root / "reports" / "promotion.json").read_bytes())

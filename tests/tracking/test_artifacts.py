"""Files that a run holds: pictures, predictions, plots, and a model that MLflow loads from the run alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pawl.config import Config
from pawl.config_blocks import TrackingSettings
from pawl.tracking.result import artifacts
from pawl.tracking.spool import Spool
from tests.support.repositories import branch, make_repository, pawl
from tests.tracking.servers import tracking_of

# An odd byte in the picture's text would be lost if it were sent as text.
DRAW = """
import pathlib, zlib, struct
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
picture = b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
picture += chunk(b"IDAT", zlib.compress(b"\\x00\\xff")) + chunk(b"IEND", b"")
folder = pathlib.Path("shown", "inner")
folder.mkdir(parents=True)
(folder / "dot.png").write_bytes(picture)
(folder / "notes.bin").write_bytes(b"no picture")
pathlib.Path("predictions.parquet").write_bytes(b"PAR1")
"""
PACKAGE = """
import pathlib, sys
import mlflow, pandas
code = pathlib.Path("model_code.py")
example = pandas.DataFrame({"x": [1.0, 2.0]})
for name in sys.argv[1:]:
    mlflow.pyfunc.save_model(name, python_model=str(code), artifacts={"factor": "factor.txt"}, input_example=example,
                             pip_requirements=[])
"""
CODE = """
import pathlib
import mlflow
class Times(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.factor = float(pathlib.Path(context.artifacts["factor"]).read_text())
    def predict(self, context, model_input, params=None):
        return model_input * self.factor
mlflow.models.set_model(Times())
"""
PIPELINE = """
stages:
  draw:
    cmd: python draw.py
    deps: [draw.py]
    outs: [shown, predictions.parquet]
  package:
    cmd: python package.py packages/times
    deps: [package.py, model_code.py, factor.txt]
    outs: [packages/times]
  both:
    cmd: python package.py packages/one packages/two
    deps: [package.py, model_code.py, factor.txt]
    outs: [packages/one, packages/two]
"""
FILES = {"draw.py": DRAW, "package.py": PACKAGE, "model_code.py": CODE, "dvc.yaml": PIPELINE, "factor.txt": "1"}


def paths(client: Any, run_id: str, folder: str | None = None) -> set[str]:
    """Every file among the run's artifacts."""
    found: set[str] = set()
    for entry in client.list_artifacts(run_id, folder):
        found |= paths(client, run_id, entry.path) if entry.is_dir else {entry.path}
    return found


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, database: str) -> Path:
    """A repository whose stages have run; half a minute, since three of them import MLflow."""
    config = 'tracking: {experiment: files}\npredictions: ["predictions.parquet"]\n'
    root = make_repository(tmp_path_factory.mktemp("files") / "repository", FILES, config=config)
    branch(root, "work", {"factor.txt": "3"})
    done = pawl(root, "run", "--all", "--no-pictures", env={"MLFLOW_TRACKING_URI": database})
    assert done.returncode == 0, done.stderr
    return root


def run_of(root: Path, stage: str) -> str:
    return str(
        next(run["run_id"] for run in tracking_of(root)["runs"] if (run["stage"], run["side"]) == (stage, "head"))
    )


def test_pictures_and_predictions_are_there_and_nothing_else(root: Path, database: str, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=database)
    run = run_of(root, "draw")
    picture = "pictures/shown/inner/dot.png"
    assert paths(client, run) == {"provenance.json", picture, "predictions/predictions.parquet"}
    got = client.download_artifacts(run, picture, str(tmp_path))
    assert Path(got).read_bytes() == (root / "shown" / "inner" / "dot.png").read_bytes()


def test_the_model_is_loaded_from_the_run_alone(root: Path, database: str, tmp_path: Path) -> None:
    """In a process of its own, in an empty folder: what it has is what the server has."""
    script = "import mlflow, pandas, sys\nmodel = mlflow.pyfunc.load_model(f'runs:/{sys.argv[1]}/model')\n"
    script += "print(model.predict(pandas.DataFrame({'x': [2.0]})).x.tolist(), model.metadata.signature is not None,"
    script += " model.input_example.x.tolist())\n"
    env = {**os.environ, "MLFLOW_TRACKING_URI": database}
    done = subprocess.run(
        [sys.executable, "-c", script, run_of(root, "package")], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[6.0] True [1.0, 2.0]"


def test_two_models_of_one_stage_do_not_mix(root: Path, database: str) -> None:
    from mlflow import MlflowClient

    found = paths(MlflowClient(tracking_uri=database), run_of(root, "both"))
    assert {path for path in found if path.endswith("MLmodel")} == {
        "model/packages/one/MLmodel",
        "model/packages/two/MLmodel",
    }


def test_files_that_need_each_other_are_there_or_none_of_them(tmp_path: Path) -> None:
    def write(name: str, size: int) -> Path:
        (tmp_path / name).write_bytes(bytes(size))
        return tmp_path / name

    config = Config(tracking=TrackingSettings(artifacts_megabytes=0.001))
    spool = Spool(tmp_path / "spool")

    def sent(*kept: tuple[str, ...], size: int) -> list[str]:
        wanted = [tuple((write(name, size), name) for name in names) for names in kept]
        return [artifact.to for artifact in artifacts(config, spool, "run", wanted)]

    assert sent(("MLmodel", "weights"), ("picture",), size=600) == ["picture"]
    assert sent(("MLmodel", "weights"), ("picture",), size=400) == ["MLmodel", "weights"]
    torn = ((write("MLmodel", 1), "MLmodel"), (tmp_path / "gone", "gone"))
    assert list(artifacts(config, spool, "run", [torn])) == []
    many = tuple(f"part_{number}" for number in range(201))
    assert sent(many, ("picture",), size=1) == ["picture"]
    spool.close()

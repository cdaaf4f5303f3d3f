from __future__ import annotations

import argparse
import base64
import json
import os
import shlex
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from tasks.common.stage.errors import TaskError
from tasks.common.stage.run import run_stage
from tasks.retinopathy.mlflow_project import parse, parse_bool, write_params
from tests.support.repositories import commit, dvc, git
from tests.tasks.checkouts import REPOSITORY

WORDS = [
    word
    for name, value in {
        "data-path": "dataset", "repo": ".", "num-classes": 5, "batch-size": 8, "epochs": 3, "lr": 0.01,
        "weight-decay": 0, "pretrained": "no",
    }.items()
    for word in (f"--{name}", str(value))
]  # fmt: skip
EMPTY = [
    word
    for name in ("data-version", "pretrained-path", "model-path", "model", "image-size", "device")
    for word in (f"--{name}", "")
]


def entry_point(folder: Path) -> dict[str, Any]:
    return yaml.safe_load((folder / "MLproject").read_text())["entry_points"]["main"]


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("True", True), ("1", True), ("false", False), ("False", False), ("no", False)]
)
def test_booleans_are_what_they_say(text, value):
    assert parse_bool(text) is value


@pytest.mark.parametrize("text", ["", "maybe", "2", "tru"])
def test_a_word_that_is_no_boolean_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError):
        parse_bool(text)


def test_parameters_left_out_are_those_of_params_yaml(tmp_path):
    write_params(parse([*WORDS, *EMPTY]), REPOSITORY, tmp_path, tmp_path)
    ours = yaml.safe_load((REPOSITORY / "params.yaml").read_text())["retinopathy"]
    written = yaml.safe_load((tmp_path / "params.yaml").read_text())
    assert written["tasks"] == ["retinopathy"]
    changed = {"batch_size": 8, "epochs": 3, "learning_rate": 0.01, "weight_decay": 0.0, "pretrained": None}
    assert written["retinopathy"] == ours | {"train": ours["train"] | changed}


def test_parameters_given_reach_the_stages(tmp_path):
    (tmp_path / "w").write_text("weights")
    words = [*WORDS, "--data-version", "dv2", "--model", "resnet18", "--image-size", "64", "--device", "cpu",
             "--pretrained", "true", "--pretrained-path", "w"]  # fmt: skip
    root = tmp_path / "root"
    root.mkdir()
    write_params(parse(words), REPOSITORY, tmp_path, root)
    block = yaml.safe_load((root / "params.yaml").read_text())["retinopathy"]
    assert block["fetch"]["source"] == {"repo": str(tmp_path), "path": "dataset", "rev": "dv2"}
    assert block["prepare"]["image_size"] == 64
    assert (block["train"]["model"], block["train"]["trainer"]["device"]) == ("resnet18", "cpu")
    assert len(block["train"]["pretrained"]["sha256"]) == 64
    assert (root / block["train"]["pretrained"]["path"]).read_text() == "weights"


def test_pretrained_without_a_file_is_one_sentence(tmp_path):
    with pytest.raises(TaskError, match="pretrained_path names no file"):
        write_params(parse([*WORDS, "--pretrained", "yes"]), REPOSITORY, tmp_path, tmp_path)


@pytest.mark.parametrize("folder", [REPOSITORY, REPOSITORY / "deploy" / "retinopathy"])
def test_each_project_hands_every_parameter_on(folder):
    from mlflow.projects import load_project

    point = entry_point(folder)
    command = load_project(str(folder)).get_entry_point("main").compute_command({}, None)
    settings = parse(shlex.split(command)[2:])
    assert set(vars(settings)) == set(point["parameters"])
    defaults = {name: value["default"] for name, value in point["parameters"].items()}
    assert (settings.num_classes, settings.batch_size, settings.epochs) == (5, 16, 10)
    assert settings.pretrained is False
    assert settings.repo == defaults["repo"]
    assert settings.model is settings.data_version is settings.image_size is None


def test_the_project_in_a_container_is_the_same_but_for_its_environment():
    ours, docker = (yaml.safe_load((folder / "MLproject").read_text()) for folder in (
        REPOSITORY, REPOSITORY / "deploy" / "retinopathy"))  # fmt: skip
    assert docker.pop("docker_env") == {"image": "retinopathy"}
    assert ours.pop("python_env") == "python_env.yaml"
    docker["entry_points"]["main"]["parameters"]["repo"]["default"] = "."
    point = docker["entry_points"]["main"]
    point["command"] = point["command"].replace("/opt/retinopathy/", "")
    assert docker == ours


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """`mlflow run` of a copy of the project on a data version, into a SQLite store; about 40 s, imports most of it."""
    folder = tmp_path_factory.mktemp("project")
    project = folder / "project"
    project.mkdir()
    shutil.copytree(
        REPOSITORY / "src" / "tasks", project / "src" / "tasks", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in ("MLproject", "python_env.yaml", "params.yaml"):
        shutil.copy(REPOSITORY / name, project)
    content = yaml.safe_load((project / "params.yaml").read_text())
    content["tasks"] = ["retinopathy"]
    content["retinopathy"]["fetch"] |= {"images": 120, "image_height": 40}
    content["retinopathy"]["train"]["widths"]["small_cnn"] = [4, 8]
    (project / "params.yaml").write_text(yaml.dump(content))
    run_stage("fetch", "retinopathy", project)
    git(project, "init", "--quiet", "--initial-branch=main")
    dvc(project, "init", "--quiet")
    (project / "data" / "retinopathy" / "raw" / "source.json").unlink()
    shutil.move(project / "data" / "retinopathy" / "raw", project / "dataset")
    dvc(project, "add", "--quiet", "dataset")
    version = commit(project, "dv1")
    git(project, "tag", "dv1")
    (folder / "empty").mkdir()
    store = folder / "mlflow.db"
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": f"sqlite:///{store}",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "OMP_NUM_THREADS": "1",
    }
    given = {"data_version": "dv1", "data_path": "dataset", "epochs": 3, "image_size": 32, "lr": 0.002,
             "pretrained": False, "model_path": "kept"}  # fmt: skip
    words = [word for name, value in given.items() for word in ("-P", f"{name}={value}")]
    done = subprocess.run(
        ["mlflow", "run", ".", "--env-manager", "local", *words],
        cwd=project, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    return SimpleNamespace(done=done, project=project, store=store, version=version, environment=environment)


def query(ran: SimpleNamespace, sql: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(ran.store) as connection:
        return connection.execute(sql).fetchall()


def test_the_run_has_parameters_measures_of_each_epoch_and_the_data_version(ran):
    assert ran.done.returncode == 0, ran.done.stderr
    assert query(ran, "select status from runs") == [("FINISHED",)]
    params = dict(query(ran, "select key, value from params"))
    assert (params["data_version"], params["epochs"], params["num_classes"]) == ("dv1", "3", "5")
    for side in ("train", "val"):
        for measure in ("loss", "accuracy", "mae", "qwk"):
            steps = query(ran, f"select step from metrics where key = '{side}/{measure}' order by step")
            assert steps == [(0,), (1,), (2,)]
    assert query(ran, "select count(*) from metrics where key = 'test/qwk'") == [(1,)]
    tags = dict(query(ran, "select key, value from tags"))
    assert (tags["data.rev"], tags["data.commit"]) == ("dv1", ran.version)


def test_the_model_is_kept_where_it_was_asked_for_and_the_checkout_is_left_alone(ran):
    assert {p.name for p in (ran.project / "kept").iterdir()} == {"card.json", "model.safetensors"}
    changed = {line.split()[-1] for line in git(ran.project, "status", "--short").splitlines()}
    # Python's own, which this checkout's .gitignore would name.
    assert {path for path in changed if "__pycache__" not in path} <= {"kept/", "mlruns/", "mlartifacts/"}
    assert not (ran.project / "models").exists()


def test_the_model_of_the_run_can_be_served(ran, tmp_path):
    """Loaded by MLflow in a new process, with the code that is kept with the model; about 10 s."""
    ((run_id,),) = query(ran, "select run_uuid from runs")
    photographs = sorted((ran.project / "dataset" / "train_images").iterdir())[:2]
    rows = [base64.b64encode(path.read_bytes()).decode() for path in photographs]
    (tmp_path / "rows.json").write_text(json.dumps([*rows, "no base64!"]))
    program = (
        "import json, sys\n"
        "sys.modules['tasks'] = None\n"
        "import mlflow, pandas as pd\n"
        f"model = mlflow.pyfunc.load_model('runs:/{run_id}/model')\n"
        "answer = model.predict(pd.DataFrame({'image': json.load(open('rows.json'))}))\n"
        "print(answer.to_json(orient='records'))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], cwd=tmp_path, env=ran.environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout.splitlines()[-1])
    for answer in answers[:2]:
        assert answer["prediction"] in list("01234")
        assert sum(answer[f"score:{grade}"] for grade in range(5)) == pytest.approx(1)
    assert answers[2]["prediction"] is None
    assert answers[2]["problem"] == "is not a file in base64"


def test_a_version_that_is_not_there_fails_the_run_with_one_sentence(ran):
    """About 10 s: the project's process and MLflow's imports."""
    words = [*WORDS, "--data-version", "dv9"]
    done = subprocess.run(
        [sys.executable, "src/tasks/project.py", *words],
        cwd=ran.project, env=ran.environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert "'dv9'" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert sorted(query(ran, "select status from runs")) == [("FAILED",), ("FINISHED",)]

"""What is in a package, and that it is the same bytes whenever and wherever it is made."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.common.model.card import read_card
from tasks.common.packaging.build import CODE_FOLDER, package_folder
from tasks.common.packaging.mlmodel import PYTHON
from tasks.common.packaging.requirements import OWN_PINS, TASKS_PINS, pinned
from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import file_digest
from tasks.common.stage.paths import TaskPaths
from tests.tasks.checkouts import CONFIGURATIONS, REPOSITORY, change_params, run_stages

# What MLflow needs beside what is in the package, and what Python brings along.
MLMODEL_OWN = {"model_uuid", "utc_time_created", "model_size_bytes", "mlflow_version", "metadata"}


def digests(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): file_digest(p) for p in sorted(folder.rglob("*")) if p.is_file()}


def mlmodel(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((folder / "MLmodel").read_text())
    return content


@pytest.fixture(scope="module")
def packaged_again(finished, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The packages made once more, later, in another folder, process and order of sets; about 10 s."""
    folder = tmp_path_factory.mktemp("again")
    jobs, packages = [], {}
    for name, paths in reversed([*finished.items()]):
        root = folder / name
        shutil.copytree(paths.root, root, ignore=shutil.ignore_patterns("packages", "raw", "predictions.parquet"))
        jobs.append(("package", paths.task, root))
        packages[name] = package_folder(TaskPaths(root, paths.task))
    run_stages(jobs, PYTHONHASHSEED="7")
    return packages


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_packaging_twice_gives_the_same_bytes(finished, packaged_again, name):
    assert digests(packaged_again[name]) == digests(package_folder(finished[name]))


def test_nothing_of_the_machine_or_the_clock_is_in_a_package(finished):
    for name in CONFIGURATIONS:
        folder = package_folder(finished[name])
        for path in folder.rglob("*.*"):
            if path.suffix in (".json", ".yaml", ".txt"):
                text = path.read_text()
                assert str(finished[name].root) not in text
                assert str(REPOSITORY) not in text
        assert mlmodel(folder)["utc_time_created"].startswith("1970-01-01")


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_dvc_knows_every_file_of_code_that_goes_into_a_package(finished, name):
    task = finished[name].task
    stage = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]["package"]
    deps = [dep.replace("${item.task}", task) for dep in stage["deps"]]
    code = package_folder(finished[name]) / CODE_FOLDER
    files = [path.relative_to(code).as_posix() for path in code.rglob("*") if path.is_file()]
    assert f"tasks/{task}/infer.py" in files
    for file in files:
        covered = any(f"src/{file}" == dep or f"src/{file}".startswith(f"{dep}/") for dep in deps)
        # A package's __init__.py is a docstring, as a test of its own says.
        assert covered or file.endswith("/__init__.py"), f"{file} is no dependency of the stage"
        assert (code / file).read_bytes() == (REPOSITORY / "src" / file).read_bytes()


def test_mlmodel_is_what_mlflow_would_have_written(finished, tmp_path, monkeypatch):
    """About 5 s: MLflow is imported. It saves the same model itself."""
    import mlflow
    import pandas as pd
    from mlflow.models import Model

    monkeypatch.chdir(tmp_path)
    ours = package_folder(finished["torch"])
    loaded = Model.load(str(ours))
    params = tmp_path / "params.yaml"
    shutil.copy(ours / "artifacts/params.yaml", params)
    example = pd.DataFrame(**json.loads((ours / "input_example.json").read_text()))
    monkeypatch.setattr("mlflow.models.model.Model.get_serving_input", lambda *_: None)
    mlflow.pyfunc.save_model(
        "theirs",
        python_model=str(ours / "serving.py"),
        artifacts={"model": str(ours / "artifacts/models/digits"), "params": str(params)},
        pip_requirements=["mlflow"],
        signature=loaded.signature,
    )
    mlflow.pyfunc.get_model_dependencies(str(ours))
    wanted, written = mlmodel(tmp_path / "theirs"), mlmodel(ours)
    assert loaded.load_input_example(str(ours)).equals(example)
    flavor, same = (content["flavors"]["python_function"] for content in (written, wanted))
    for key in ("loader_module", "streamable", "code"):
        assert flavor[key] == same[key]
    assert set(same) - set(flavor) == {"cloudpickle_version"}, "nothing is pickled"
    assert set(flavor) <= set(same)
    assert Path(same["model_code_path"]).name == flavor["model_code_path"]
    assert set(same["artifacts"]) == set(flavor["artifacts"])
    assert flavor["env"].items() <= same["env"].items()
    assert set(written) - set(wanted) <= {"metadata", "saved_input_example_info"}
    assert set(wanted) <= set(written)
    for key in set(wanted) - MLMODEL_OWN - {"flavors"}:
        assert yaml.safe_load(yaml.safe_dump(written[key])) == wanted[key] or key == "signature"
    for side in ("inputs", "outputs"):
        assert json.loads(written["signature"][side]) == json.loads(wanted["signature"][side])
    assert len(written["model_uuid"]) == len(wanted["model_uuid"]) == 32


def test_versions_are_those_that_are_pinned(finished):
    pins = pinned(TASKS_PINS, OWN_PINS)
    environment = yaml.safe_load((REPOSITORY / "python_env.yaml").read_text())
    installed = (REPOSITORY / "requirements.txt").read_text()
    assert environment["python"] == PYTHON
    for name, version in pinned(OWN_PINS).items():
        assert f"\n{name}=={version} " in installed
    for name in CONFIGURATIONS:
        folder = package_folder(finished[name])
        lines = (folder / "requirements.txt").read_text().splitlines()
        assert set(lines) <= {f"{package}=={version}" for package, version in pins.items()}
        assert mlmodel(folder)["mlflow_version"] == pins["mlflow"]
        assert yaml.safe_load((folder / "python_env.yaml").read_text())["python"] == PYTHON


@pytest.mark.parametrize(
    ("name", "wanted", "foreign"),
    [
        ("torch", {"torch", "safetensors", "pillow", "mlflow"}, {"tensorflow", "keras", "simpleitk", "skops"}),
        ("tensorflow", {"tensorflow", "keras", "h5py", "pillow", "mlflow"}, {"torch", "safetensors"}),
        ("svc", {"scikit-learn", "skops", "pandas", "mlflow"}, {"torch", "tensorflow", "keras", "pillow"}),
        ("prostate", {"tensorflow", "keras", "simpleitk", "scipy", "mlflow"}, {"torch", "skops"}),
    ],
)
def test_a_package_asks_for_what_it_needs_and_for_no_other_framework(finished, name, wanted, foreign):
    lines = (package_folder(finished[name]) / "requirements.txt").read_text().splitlines()
    names = {line.partition("==")[0] for line in lines}
    assert wanted <= names
    assert not foreign & names


def test_without_examples_there_are_none(finished, tmp_path):
    root = Path(shutil.copytree(finished["svc"].root, tmp_path / "root"))
    change_params(root, {"tabular.package.examples": 0})
    run_stages([("package", "tabular", root)])
    folder = package_folder(TaskPaths(root, "tabular"))
    assert not list(folder.glob("*example*"))
    assert "saved_input_example_info" not in mlmodel(folder)


def test_a_package_is_whole_or_absent(finished, tmp_path, monkeypatch):
    from tasks.common.packaging.command import run_package

    root = Path(shutil.copytree(finished["svc"].root, tmp_path / "root"))
    before = digests(root / "packages")
    change_params(root, {"tabular.package.examples": 2})

    def broken(*_: Any, **__: Any) -> None:
        raise TaskError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr("tasks.common.packaging.build.write_mlmodel", broken)
        with pytest.raises(TaskError, match="no space left"):
            run_package("tabular", root)
    assert digests(root / "packages") == before
    run_package("tabular", root)
    assert digests(root / "packages") != before


def test_without_a_model_it_is_one_sentence(finished, tmp_path, capfd):
    from tasks.common.packaging.command import run_package_command

    root = Path(shutil.copytree(finished["svc"].root, tmp_path / "root"))
    (root / "models/tabular/model.skops").unlink()
    assert run_package_command(["tabular"], root) == 2
    assert "run the stage train again" in capfd.readouterr().err
    assert run_package_command([], root) == run_package_command(["--help"], root) == 2
    assert capfd.readouterr().err.count("usage: python src/tasks/package.py TASK") == 2
    assert run_package_command(["nothing"], root) == 2
    assert '"nothing" is no task' in capfd.readouterr().err
    assert run_package_command(["tabular", "exampels=2"], root) == 2
    assert 'did you mean "examples"?' in capfd.readouterr().err


def test_what_answers_need_of_params_yaml_goes_along_and_nothing_else(finished):
    paths = finished["torch"]
    content = yaml.safe_load((package_folder(paths) / "artifacts/params.yaml").read_text())
    ours = yaml.safe_load((paths.root / "params.yaml").read_text())["digits"]
    assert content == {"tasks": ["digits"], "digits": {"evaluate": ours["evaluate"]}}
    assert read_card(package_folder(paths) / "artifacts/models/digits", "digits") == read_card(paths.model, "digits")

"""`tasks infer --model`: a package from a folder or the registry, verified before any of its code is run."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from tasks.cli import app
from tasks.common.packaging.build import package_folder
from tasks.common.stage.errors import TaskError
from tasks.registered.locate import default_name, locate
from tests.tasks.checkouts import REPOSITORY


@pytest.fixture(scope="module")
def trained(finished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with a table model, its package, and a file of rows."""
    root = tmp_path_factory.mktemp("infer") / "acme"
    shutil.copytree(finished["svc"].root, root)
    shutil.copy(REPOSITORY / "dvc.yaml", root)
    lines = (root / "data/tabular/raw/table.csv").read_text().splitlines()
    (root / "rows.csv").write_text("\n".join(lines[:4]) + "\n")
    return root


@pytest.fixture
def root(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    return Path(shutil.copytree(trained, tmp_path / "acme"))


def infer(root: Path, *words: str) -> Result:
    with contextlib.chdir(root):
        return CliRunner().invoke(app, ["infer", "tabular", "rows.csv", *words])


def sentence(done: Result) -> str:
    """What the command would print: its entry point turns a TaskError into this and exit code 2."""
    assert isinstance(done.exception, TaskError), done.output
    assert done.stdout == ""
    return str(done.exception)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Two pairs of keys, made as docs/serving.md says."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ours", "other"):
        words = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(folder / f"{name}.pem")]
        subprocess.run(words, check=True, capture_output=True)
        words = ["openssl", "pkey", "-in", str(folder / f"{name}.pem"), "-pubout", "-out", str(folder / f"{name}.pub")]
        subprocess.run(words, check=True, capture_output=True)
    return SimpleNamespace(private=folder / "ours.pem", public=folder / "ours.pub", other=folder / "other.pub")


def sign(folder: Path, private: Path) -> None:
    from model_signing import hashing, signing

    everything = hashing.Config().set_ignored_paths(paths=["model.sig"], ignore_git_paths=False)
    signer = signing.Config().use_elliptic_key_signer(private_key=private).set_hashing_config(everything)
    signer.sign(folder, folder / "model.sig")


def test_a_package_says_what_the_model_says(root):
    """About 5 s: MLflow is imported."""
    ours, packaged = (infer(root, *words, "--json") for words in ((), ("--model", "packages/tabular")))
    assert (ours.exit_code, packaged.exit_code, packaged.stderr) == (0, 0, "")
    assert json.loads(packaged.stdout) == json.loads(ours.stdout)
    assert len(json.loads(ours.stdout)) == 3
    assert not list((root / "packages").rglob("__pycache__"))


def test_it_answers_with_its_own_code_parameters_and_model_whatever_the_checkout_has(root):
    before = infer(root, "--model", "packages/tabular").stdout
    shutil.rmtree(root / "models")
    text = (root / "params.yaml").read_text()
    (root / "params.yaml").write_text(text.replace("calibration_bins: 10", "calibration_bins: none"))
    assert infer(root, "--model", "packages/tabular").stdout == before
    assert "run the stage train first" in sentence(infer(root))


def test_a_package_of_another_task_and_what_is_none_are_one_sentence(root):
    shutil.copytree(root / "packages/tabular", root / "packages/pets")
    record = root / "packages/pets/provenance.json"
    record.write_text(record.read_text().replace('"task": "tabular"', '"task": "pets"'))
    assert 'is a package of the task "pets", not "tabular"' in sentence(infer(root, "--model", "packages/pets"))
    assert sentence(infer(root, "--model", "./data")).startswith("./data has no file MLmodel; name a package's folder")
    assert "--key is of a package" in sentence(infer(root, "--key", "k.pub"))
    model = root / "packages/tabular/artifacts/models/tabular/model.skops"
    model.write_bytes(b"no model")
    told = sentence(infer(root, "--model", "packages/tabular"))
    assert "is not the file that" in told
    assert "\n" not in told


def test_a_signed_package_is_verified_with_the_key_of_the_repository(root, keys):
    package = root / "packages/tabular"
    plain = infer(root, "--model", "packages/tabular").stdout
    shutil.copy(keys.public, root / "model-signing.pub")
    assert "is not signed (it has no model.sig); do not use it" in sentence(infer(root, "--model", "packages/tabular"))
    sign(package, keys.private)
    for _ in range(2):  # Asking leaves nothing behind that would be one file more.
        done = infer(root, "--model", "packages/tabular")
        assert (done.stdout, done.stderr, done.exit_code) == (plain, "", 0)
    refused = sentence(infer(root, "--model", "packages/tabular", "--key", str(keys.other)))
    assert refused == f"packages/tabular is not the package that the holder of {keys.other} signed; do not use it."
    assert "absent.pub does not exist" in sentence(infer(root, "--model", "packages/tabular", "--key", "absent.pub"))
    (root / "model-signing.pub").unlink()
    unchecked = infer(root, "--model", "packages/tabular")
    assert unchecked.stdout == plain
    assert "is not checked: there is no model-signing.pub here; name a key with --key" in unchecked.stderr


@pytest.mark.parametrize("change", ["byte", "added", "hidden", "bytecode", "removed", "renamed", "linked"])
def test_whatever_is_changed_in_a_signed_package_it_is_refused_and_not_run(root, keys, change):
    package = root / "packages/tabular"
    sign(package, keys.private)
    ran = root / "ran"
    serving = package / "serving.py"
    trap = f"\nopen({str(ran)!r}, 'w')\n"
    if change == "byte":
        serving.write_text(serving.read_text() + trap)
    elif change == "added":
        (package / "code/tasks/more.py").write_text(trap)
    elif change == "hidden":
        (package / ".git").mkdir()
        (package / ".git/config").write_text("more")
    elif change == "bytecode":
        (package / "__pycache__").mkdir()
        (package / "__pycache__/serving.cpython-311.pyc").write_bytes(b"more")
    elif change == "removed":
        (package / "python_env.yaml").unlink()
    elif change == "renamed":
        (package / "python_env.yaml").rename(package / "python_env.yml")
    else:
        serving.rename(root / "serving.py")
        serving.symlink_to(root / "serving.py")
    told = sentence(infer(root, "--model", "packages/tabular", "--key", str(keys.public)))
    assert told == f"packages/tabular is not the package that the holder of {keys.public} signed; do not use it."
    assert not ran.exists()


@pytest.fixture(scope="module")
def registry(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A registry in a SQLite file with the package as version 1, called champion; about 15 s, MLflow makes tables."""
    from mlflow import MlflowClient

    folder = tmp_path_factory.mktemp("registry")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    experiment = client.create_experiment("acme", artifact_location=(folder / "artifacts").as_uri())
    run = client.create_run(experiment)
    client.log_artifacts(run.info.run_id, str(package_folder_of(trained)), "package")
    client.create_registered_model("acme-tabular")
    source = f"{run.info.artifact_uri}/package"
    client.create_model_version("acme-tabular", source, run.info.run_id)
    client.set_registered_model_alias("acme-tabular", "champion", "1")
    return SimpleNamespace(uri=uri, run=run.info.run_id)


def package_folder_of(root: Path) -> Path:
    from tasks.common.stage.paths import TaskPaths

    return package_folder(TaskPaths(root, "tabular"))


def test_a_model_of_the_registry_is_found_by_alias_version_and_run(root, registry, monkeypatch):
    plain = infer(root).stdout
    assert "set MLFLOW_TRACKING_URI" in sentence(infer(root, "--model", "champion"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry.uri)
    named = ("--registered-name", "acme-tabular")
    run = f"runs:/{registry.run}/package"
    for words in (
        ("champion",),
        ("champion", *named),
        ("models:/acme-tabular@champion",),
        ("models:/acme-tabular/1",),
        (run,),
    ):
        done = infer(root, "--model", *words)
        assert (done.stdout, done.exit_code) == (plain, 0), done.exception


def test_a_signed_model_of_the_registry_is_verified_as_it_was_downloaded(root, registry, keys, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry.uri)
    shutil.copy(keys.public, root / "model-signing.pub")
    assert "is not signed" in sentence(infer(root, "--model", "champion"))
    sign(root / "packages/tabular", keys.private)
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=registry.uri, registry_uri=registry.uri)
    client.log_artifacts(registry.run, str(root / "packages/tabular"), "signed")
    source = f"{client.get_run(registry.run).info.artifact_uri}/signed"
    version = client.create_model_version("acme-tabular", source, registry.run).version
    done = infer(root, "--model", f"models:/acme-tabular/{version}")
    assert (done.exit_code, done.stderr) == (0, ""), done.exception


def test_what_the_registry_does_not_have_is_one_sentence(root, registry, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry.uri)
    for model in ("challenger", "models:/nothing/1", "models:/acme-tabular/9", f"runs:/{registry.run}/nothing"):
        told = sentence(infer(root, "--model", model))
        assert "cannot be fetched from MLflow (" in told
        assert "\n" not in told


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("git@github.com:acme/eyes.git", "eyes"),
        ("https://github.com/acme/eyes.git", "eyes"),
        ("https://user:secret@example.org/acme/eyes/", "eyes"),
        ("ssh://git@example.org:2222/acme/eyes", "eyes"),
        ("../eyes", "eyes"),
        (None, "folder"),
    ],
)
def test_a_model_is_named_after_its_repository(tmp_path, monkeypatch, address, name):
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    root = tmp_path / "folder"
    root.mkdir()
    if address:
        subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
        subprocess.run(["git", "remote", "add", "origin", address], cwd=root, check=True)
    else:
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert default_name(root, "pets") == f"{name}-pets"
    monkeypatch.setenv("GITHUB_REPOSITORY", "acme/workflow")
    assert default_name(root, "pets") == "workflow-pets"


@given(st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,30}", fullmatch=True))
def test_a_word_is_an_alias_whatever_folders_there_are(word):
    assert locate(word, "name").uri == f"models:/name@{word}"


@pytest.mark.parametrize("model", ["", ".", "/", "1", "a b", "../x", "file:///x", "http://example.org/x", "s3://b/x"])
def test_what_is_no_model_is_one_sentence(tmp_path, monkeypatch, model):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TaskError, match="has no file MLmodel; name a package's folder"):
        locate(model, "name")

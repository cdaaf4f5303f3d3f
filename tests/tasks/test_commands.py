"""The two commands, as processes: stage.py, which DVC runs, and tasks, which people run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tasks.common.learning.history import history
from tasks.common.learning.stage_key import stage_key
from tasks.common.stage.errors import TaskError
from tasks.common.stage.paths import TaskPaths
from tests.tasks.checkouts import REPOSITORY, change_params

OTHER_CODE = 'raise SystemExit("the code of another checkout")\n'


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A checkout of its own: code, dvc.yaml and params.yaml, committed."""
    root = tmp_path / "clone"
    root.mkdir()
    for name in ("src", "dvc.yaml", "params.yaml", ".dvcignore", ".dvc/config", ".dvc/.gitignore"):
        source, target = REPOSITORY / name, root / name
        target.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(source, target)
    (root / ".gitignore").write_text("/data/\n/models/\n/results/\n__pycache__/\n")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], cwd=root, check=True)
    return root


def call(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    bin_folder = str(Path(sys.executable).parent)
    env = os.environ | {"DVC_NO_ANALYTICS": "1", "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"}
    env |= {"PYTHONPATH": str(REPOSITORY / "src")} | environment
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, env=env)


def tasks(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return call(sys.executable, "-m", "tasks", *words, cwd=cwd)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["train", "digitz"], 'error: "digitz" is no task in {root}/params.yaml; did you mean "digits"?'),
        (["trian", "digits"], 'error: "trian" is no stage; did you mean "train"?'),
        (["prepare", "digits"], "error: {root}/data/digits/raw/images.npy does not exist; run the stage fetch first."),
        (
            ["train", "digits"],
            "error: {root}/data/digits/prepared/manifest.csv does not exist; run the stage prepare first.",
        ),
        (["train"], "usage: python src/tasks/stage.py STAGE TASK, for example: python src/tasks/stage.py train digits"),
    ],
)
def test_a_users_error_is_one_sentence_and_exit_code_2(clone, words, sentence):
    shutil.rmtree(clone / ".dvc")  # Without it, nothing asks DVC for a key before the data is looked at.
    done = call(sys.executable, "src/tasks/stage.py", *words, cwd=clone)
    assert (done.returncode, done.stderr, done.stdout) == (2, sentence.format(root=clone) + "\n", "")


def test_a_disk_that_cannot_be_written_is_one_sentence(clone):
    (clone / "data").write_text("a file where a folder should be")
    done = call(sys.executable, "src/tasks/stage.py", "fetch", "digits", cwd=clone)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert str(clone / "data") in done.stderr


def test_the_code_that_runs_is_that_of_the_checkout(clone, tmp_path):
    other = tmp_path / "other"
    (other / "tasks").mkdir(parents=True)
    (other / "tasks" / "__init__.py").write_text(OTHER_CODE)
    done = call(sys.executable, "src/tasks/stage.py", "fetch", "tabular", cwd=clone, PYTHONPATH=str(other))
    assert done.returncode == 0, done.stderr
    (clone / "src/tasks/tabular/fetch.py").write_text(OTHER_CODE)
    done = tasks("fetch", "tabular", cwd=clone)
    assert done.returncode == 1
    assert "the code of another checkout" in done.stderr


def test_the_command_runs_a_stage_from_any_folder_of_the_checkout(clone):
    done = tasks("fetch", "digits", cwd=clone / "src")
    assert (done.returncode, done.stderr) == (0, "fetch digits: 1797 images of 10 classes\n")
    assert (clone / "data/digits/raw/images.npy").is_file()


@pytest.mark.parametrize("words", [["train", "digitz"], ["fetch"], ["trian", "digits"], ["list", "all"]])
def test_a_mistyped_command_is_exit_code_2_without_a_traceback(clone, words):
    done = tasks(*words, cwd=clone)
    assert done.returncode == 2
    assert done.stderr
    assert "Traceback" not in done.stderr


def test_debug_shows_the_traceback(clone):
    done = tasks("prepare", "digits", "--debug", cwd=clone)
    assert done.returncode != 0
    assert "Traceback" in done.stderr
    assert "run the stage fetch first" in done.stderr


def test_outside_of_a_repository_is_one_sentence(tmp_path):
    done = tasks("list", cwd=tmp_path)
    assert done.returncode == 2
    assert (
        done.stderr == f"error: {tmp_path} is not inside a repository with params.yaml and dvc.yaml; change into one.\n"
    )


def test_the_list_names_every_task_and_what_it_is(clone):
    lines = tasks("list", cwd=clone).stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["digits", "tabular"]
    assert "Handwritten digits" in lines[0]


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["list", "--help"]])
def test_help_has_an_example(clone, words):
    done = tasks(*words, cwd=clone)
    assert done.returncode == 0
    assert "Example: tasks " in done.stdout


def test_dvc_runs_all_stages_and_the_card_has_the_key_of_its_run_cache(clone):
    """About 15 s: four stages under DVC, then train by hand."""
    change_params(clone, {"tasks": ["tabular"]})
    site = {"DVC_SITE_CACHE_DIR": str(clone.parent / "site")}
    done = call("dvc", "repro", cwd=clone, **site)
    assert done.returncode == 0, done.stderr
    card = clone / "models/tabular/card.json"
    first = card.read_bytes()
    key = YAML(typ="safe").load(first)["stage_key"]
    assert "train tabular" in next((clone / ".dvc/cache/runs" / key[:2] / key).iterdir()).read_text()
    assert tasks("train", "tabular", cwd=clone).returncode == 0
    assert card.read_bytes() == first
    assert call("dvc", "status", cwd=clone, **site).stdout == "Data and pipelines are up to date.\n"
    ignored = subprocess.run(["git", "status", "--short"], cwd=clone, capture_output=True, text=True).stdout
    assert ignored.split() == ["M", "params.yaml", "??", "dvc.lock"]


def test_a_key_in_the_environment_is_taken_if_it_is_one(tmp_path, monkeypatch):
    paths = TaskPaths(tmp_path, "digits")
    monkeypatch.delenv("PAWL_STAGE_KEY", raising=False)
    assert stage_key(paths, "train") is None
    monkeypatch.setenv("PAWL_STAGE_KEY", "0123456789abcdef" * 4)
    assert stage_key(paths, "train") == "0123456789abcdef" * 4
    monkeypatch.setenv("PAWL_STAGE_KEY", "no key")
    with pytest.raises(TaskError, match="PAWL_STAGE_KEY is not 64 hexadecimal digits; unset it"):
        stage_key(paths, "train")


def test_a_repository_without_a_commit_is_one_sentence(clone, monkeypatch):
    shutil.rmtree(clone / ".git")
    subprocess.run(["git", "init", "-q"], cwd=clone, check=True)
    monkeypatch.chdir(clone)
    with pytest.raises(TaskError, match="commit once first"), history(TaskPaths(clone, "tabular"), 1):
        pass

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
from tasks.common.packaging.provenance import read_provenance
from tasks.common.stage.errors import TaskError
from tasks.common.stage.paths import TaskPaths
from tests.tasks.checkouts import REPOSITORY, TASKS, change_params

USAGE = "usage: python src/tasks/stage.py STAGE TASK [KEY=VALUE ...], as: python src/tasks/stage.py train digits"
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
    (root / ".gitignore").write_text("/data/\n/models/\n/packages/\n/results/\n__pycache__/\n")
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
        (["train"], USAGE),
        (["train", "--debug"], USAGE),
        (["train", "digits", "--epochs", "3"], USAGE),
        (
            ["train", "digits", "epoch=3"],
            'error: unknown key "epoch" for the stage train of digits; did you mean "epochs"?',
        ),
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
    (clone / "src/tasks/tabular/fetch/run.py").write_text(OTHER_CODE)
    done = tasks("fetch", "tabular", cwd=clone)
    assert done.returncode == 1
    assert "the code of another checkout" in done.stderr


def test_the_command_runs_a_stage_from_any_folder_of_the_checkout(clone):
    done = tasks("fetch", "digits", cwd=clone / "src")
    assert (done.returncode, done.stderr) == (0, "fetch digits: 1797 images of 10 classes\n")
    assert (clone / "data/digits/raw/images.npy").is_file()


def test_the_commands_themselves_are_those_of_the_checkout(clone):
    (clone / "src/tasks/commands/listing.py").write_text(OTHER_CODE)
    done = tasks("list", cwd=clone / "src")
    assert (done.returncode, done.stdout) == (1, "")
    assert "the code of another checkout" in done.stderr


def test_a_folder_with_the_packages_name_is_not_taken_for_it(clone):
    (clone / "tests/tasks").mkdir(parents=True)
    (clone / "tests/tasks/__init__.py").write_text(OTHER_CODE)
    done = call(str(Path(sys.executable).parent / "tasks"), "list", cwd=clone / "tests")
    assert done.returncode == 0, done.stderr


def test_values_of_the_command_line_hold_for_one_run(clone):
    done = tasks("fetch", "digits", "fetch.classes=2", cwd=clone)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[0] == "fetch digits: not the run of params.yaml, but with fetch.classes=2"
    assert "of 2 classes" in done.stderr
    assert "of 10 classes" in tasks("fetch", "digits", cwd=clone).stderr


def test_help_on_a_task_lists_its_parameters_with_their_comments(clone):
    done = tasks("train", "digits", "epochs=3", "--help", cwd=clone / "src")
    assert done.returncode == 0
    assert "  epochs=15   (whole number from 1 to 1000)\n      Passes over the training split" in done.stdout
    assert "  framework=torch   (torch or tensorflow)" in done.stdout
    assert "  trainer.fast_dev_run=false   (true or false)" in done.stdout
    done = tasks("train", "digitz", "--help", cwd=clone)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert 'did you mean "digits"?' in done.stderr


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
    assert sorted(line.split()[0] for line in lines) == sorted(TASKS)
    assert "Handwritten digits" in next(line for line in lines if line.startswith("digits "))


@pytest.mark.parametrize("command", ["", "fetch", "prepare", "train", "evaluate", "plot", "package", "list", "infer"])
def test_help_has_an_example_and_needs_no_repository(tmp_path, command):
    done = tasks(*filter(None, [command]), "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert "Example: tasks " in done.stdout


def test_dvc_runs_all_stages_and_the_card_has_the_key_of_its_run_cache(clone):
    """About 20 s: six stages under DVC, then train by hand."""
    change_params(clone, {"tasks": ["tabular"]})
    site = {"DVC_SITE_CACHE_DIR": str(clone.parent / "site")}
    done = call("dvc", "repro", cwd=clone, **site)
    assert done.returncode == 0, done.stderr
    card = clone / "models/tabular/card.json"
    first = card.read_bytes()
    key = YAML(typ="safe").load(first)["stage_key"]
    assert "train tabular" in next((clone / ".dvc/cache/runs" / key[:2] / key).iterdir()).read_text()
    record = read_provenance(clone / "packages/tabular")
    assert record.training_key == key
    assert [stage.name for stage in record.upstream or []] == ["train@tabular", "prepare@tabular", "fetch@tabular"]
    assert tasks("train", "tabular", cwd=clone).returncode == 0
    assert card.read_bytes() == first
    assert call("dvc", "status", cwd=clone, **site).stdout == "Data and pipelines are up to date.\n"
    # The same training, but for words on the command line: the card must not claim the key of the committed values.
    assert tasks("train", "tabular", "min_category_count=4", cwd=clone).returncode == 0
    assert YAML(typ="safe").load(card)["stage_key"] is None
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

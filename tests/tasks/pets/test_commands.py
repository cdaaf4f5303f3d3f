"""The command lines of docs/pets.md, each a process of its own, on photographs of a size that is set once."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tasks.common.data.manifest import read_manifest
from tasks.common.model.card import read_card
from tasks.common.stage.overrides import keys_of
from tasks.common.stage.paths import TaskPaths
from tasks.common.stage.run import run_stage
from tests.tasks.checkouts import REPOSITORY, change_params

SIDE_PIXELS = 16
TINY = {
    "pets.fetch.train_images": 60,
    "pets.fetch.test_images": 20,
    "pets.prepare.image_size": SIDE_PIXELS,
    "pets.train.width": 16,
    "pets.train.depth": 1,
    "pets.train.heads": 2,
}


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> TaskPaths:
    """A copy of the code with photographs that are prepared, and a model trained by the first command line."""
    root = tmp_path_factory.mktemp("pets") / "checkout"
    shutil.copytree(REPOSITORY / "src/tasks", root / "src/tasks", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(REPOSITORY / name, root)
    change_params(root, TINY)
    for stage in ("fetch", "prepare"):
        run_stage(stage, "pets", root)
    words = ["train.epochs=1", "data.num_workers=2", "trainer.deterministic=true", "trainer.fast_dev_run=true"]
    done = tasks(root, "train", "pets", *words)
    assert done.returncode == 0, done.stderr
    return TaskPaths(root, "pets")


def tasks(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-P", "-m", "tasks", *words], cwd=root, capture_output=True, text=True)


def test_values_of_the_command_line_are_those_of_the_training(paths):
    """About 8 s, for the fixture's process."""
    card = read_card(paths.model, "pets")
    assert card.params["epochs"] == 1
    assert card.params["data"]["num_workers"] == 2
    assert (card.params["trainer"]["deterministic"], card.params["trainer"]["fast_dev_run"]) == (True, True)
    assert card.stage_key is None
    assert len((paths.history / "plots/metrics/val/loss.tsv").read_text().splitlines()) == 2


def test_the_size_of_the_images_is_set_in_one_place(paths):
    assert read_card(paths.model, "pets").preprocessing["image_size"] == SIDE_PIXELS
    assert "image_size" not in read_card(paths.model, "pets").params


def test_the_two_likeliest_classes_are_printed_with_their_probabilities(paths):
    test = [example for example in read_manifest(paths.prepared) if example.split == "test"]
    files = [str(paths.raw / example.source) for example in test[:2]]
    done = tasks(paths.root, "infer", "pets", *files)
    assert done.returncode == 0, done.stderr
    answers = [block.splitlines() for block in done.stdout.strip().split("\n\n")]
    assert [lines[0] for lines in answers] == files
    for _, *lines in answers:
        found = [re.match(r"  (\*| ) (Cat|Dog)  (\d\.\d{4})", line) for line in lines]
        assert all(found)
        assert {match[2] for match in found} == {"Cat", "Dog"}
        first, second = (float(match[3]) for match in found)
        assert first >= second
        assert first + second == pytest.approx(1, abs=1e-4)
        assert [match[1] for match in found] == ["*", " "]


def test_help_lists_every_key_of_the_training(paths):
    done = tasks(paths.root, "train", "pets", "--help")
    assert done.returncode == 0
    stated = re.findall(r"^  (\S+)=(\S.*?)   \(.+\)$", done.stdout, re.MULTILINE)
    block = YAML(typ="safe").load((REPOSITORY / "params.yaml").read_text())["pets"]["train"]
    assert {key for key, _ in stated} == {key for key in keys_of(block) if not isinstance(block.get(key), dict)}
    assert ("trainer.fast_dev_run", "false") in stated
    assert ("width", "16") in stated

"""A training that is killed goes on and ends in the bytes of one that was not."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tasks.common.stage.files import file_digest
from tests.tasks.checkouts import REPOSITORY, change_params, run_stages

# A checkpoint after every step, of which there are 34 an epoch.
SETTINGS = {
    "digits.train.epochs": 6,
    "digits.train.batch_size": 32,
    "digits.train.dropout": 0.25,
    "digits.train.trainer.checkpoint_seconds": 1e-6,
    "digits.train.trainer.device": "cpu",
}
STEPS_BETWEEN_KILLS = (10, 45)
COMMAND = [sys.executable, str(REPOSITORY / "src/tasks/stage.py"), "train", "digits"]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("prepared")
    shutil.copy(REPOSITORY / "params.yaml", root)
    run_stages([("fetch", "digits", root), ("prepare", "digits", root)])
    return root


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_a_training_killed_three_times_ends_in_the_same_bytes(prepared, tmp_path, framework):
    """The slowest test here, because each framework is imported five times: up to 4 minutes on a busy machine."""
    whole, killed = (copy_of(prepared, tmp_path / name, framework) for name in ("whole", "killed"))
    train(whole)

    chance = random.Random(framework)
    resumed = []
    for _ in range(3):
        resumed += kill_after(killed, chance.randint(*STEPS_BETWEEN_KILLS), chance.uniform(0, 0.01))
        assert not (killed / "models").exists() or not any((killed / "models").glob("*/card.json"))
    resumed += resumed_after(train(killed))

    assert len(resumed) == 3
    assert any(0 < batch < of for batch, of in resumed)
    assert outputs(killed) == outputs(whole)
    card = json.loads((killed / "models/digits/card.json").read_text())
    assert card["validation"]["accuracy"] > 0.9
    assert [path for path in killed.glob(".checkpoints/**/*") if path.is_file()] == []


def copy_of(prepared: Path, root: Path, framework: str) -> Path:
    shutil.copytree(prepared, root)
    change_params(root, SETTINGS | {"digits.train.framework": framework})
    return root


def outputs(root: Path) -> dict[str, str]:
    files = [path for folder in ("models", "results") for path in sorted((root / folder).rglob("*")) if path.is_file()]
    assert len(files) > 5
    return {str(path.relative_to(root)): file_digest(path) for path in files}


def train(root: Path) -> str:
    done = subprocess.run(COMMAND, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stderr


def kill_after(root: Path, steps: int, seconds: float) -> list[tuple[int, int]]:
    """Train until so many checkpoints more are there, and kill a moment later; where it had gone on from."""
    start = newest(root)
    with (root / "log.txt").open("w") as log:
        training = subprocess.Popen(COMMAND, cwd=root, stdout=log, stderr=log)
        while newest(root) < start + steps:
            assert training.poll() is None, (root / "log.txt").read_text()
            time.sleep(0.001)
        time.sleep(seconds)
        training.kill()
        assert training.wait() == -9
    return resumed_after((root / "log.txt").read_text())


def newest(root: Path) -> int:
    numbers = [int(path.name.split("-")[0]) for path in root.glob(".checkpoints/digits/*/network/0*.safetensors")]
    return max(numbers, default=-1)


def resumed_after(log: str) -> list[tuple[int, int]]:
    found = re.findall(r"going on after batch (\d+) of (\d+) in epoch \d+", log)
    return [(int(batch), int(of)) for batch, of in found]

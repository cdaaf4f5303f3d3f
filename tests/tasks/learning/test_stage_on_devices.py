"""The stage train of real tasks on several devices, and as two machines, by its own command. About 3 minutes."""

from __future__ import annotations

import csv
import functools
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.tasks.checkouts import CONFIGURATIONS, REPOSITORY, change_params, run_stages

COMMAND = [sys.executable, str(REPOSITORY / "src/tasks/stage.py")]
# 1078 images are 14 batches of 75, in slices of 37 and 38, and one of 28.
DIGITS = {"epochs": 3, "batch_size": 75, "dropout": 0.0, "trainer.device": "cpu"}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("prepared")
    shutil.copy(REPOSITORY / "params.yaml", root)
    run_stages([("fetch", "digits", root), ("prepare", "digits", root)])
    return root


def copy_of(prepared: Path, root: Path, task: str, changes: Mapping[str, Any]) -> Path:
    shutil.copytree(prepared, root)
    change_params(root, {f"{task}.train.{key}": value for key, value in changes.items()})
    return root


def command(root: Path, *words: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *words],
        cwd=root,
        env=os.environ | {"PAWL_STAGE_KEY": "", "TF_CPP_MIN_LOG_LEVEL": "3"} | environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(root: Path, *words: str) -> str:
    process = command(root, *words)
    _, said = process.communicate(timeout=400)
    assert process.returncode == 0, said
    return said


def history_of(root: Path, task: str) -> dict[str, list[float]]:
    files = sorted((root / f"results/{task}/history/plots/metrics").rglob("*.tsv"))
    assert files
    return {
        str(file.relative_to(root)): [
            float(list(row.values())[-1]) for row in csv.DictReader(file.open(), delimiter="\t")
        ]
        for file in files
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


Trained = Callable[[str, int], Path]


@pytest.fixture(scope="module")
def trained(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A function that trains digits in a framework on so many devices, once, and returns where."""

    @functools.cache
    def train(framework: str, devices: int) -> Path:
        changes = {**DIGITS, "framework": framework, "trainer.devices": devices}
        root = copy_of(prepared, tmp_path_factory.mktemp("trained") / "root", "digits", changes)
        (root / "said.txt").write_text(run(root, "train", "digits"))
        return root

    return train


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_digits_on_two_devices_is_digits_on_one(trained, framework):
    roots = {devices: trained(framework, devices) for devices in (1, 2)}
    for devices, root in roots.items():
        assert (root / "said.txt").read_text().count("\ntrain digits: epoch 3 of 3") == 1
        # Nothing of the ranks is left.
        assert [path for path in root.glob(".checkpoints/**/*") if path.is_file()] == []
        assert [path.name for path in (root / "models").iterdir()] == ["digits"]
        card = json.loads((root / "models/digits/card.json").read_text())
        assert card["params"]["trainer"]["devices"] == devices
    one, two = (history_of(root, "digits") for root in roots.values())
    assert one.keys() == two.keys()
    for name, values in one.items():
        assert len(values) == 3
        np.testing.assert_allclose(two[name], values, rtol=1e-4, atol=2e-3 if "accuracy" in name else 0, err_msg=name)
    run_stages([("evaluate", "digits", root) for root in roots.values()])
    scores, others = (scores_of(root) for root in roots.values())
    np.testing.assert_allclose(others, scores, atol=1e-4)


def scores_of(root: Path) -> np.ndarray:
    table = pq.read_table(root / "results/digits/predictions.parquet")
    return np.stack([table[name].to_numpy() for name in table.column_names if name.startswith("score:")])


@pytest.mark.parametrize("task", ["retinopathy", "posters"])
def test_batch_statistics_are_those_of_the_joined_batch(tmp_path, task):
    """And posters, whose backbone has some too, are trained in two phases."""
    _, changes = CONFIGURATIONS[task]
    first = tmp_path / "first"
    first.mkdir()
    shutil.copy(REPOSITORY / "params.yaml", first)
    change_params(first, {f"{task}.{key}": value for key, value in changes.items()})
    run_stages([("fetch", task, first), ("prepare", task, first)])
    histories = []
    for devices in (1, 2):
        settings = {"trainer.devices": devices, "trainer.device": "cpu", "dropout": 0.0}
        root = copy_of(first, tmp_path / str(devices), task, settings)
        run(root, "train", task)
        histories.append({name: values for name, values in history_of(root, task).items() if "loss" in name})
    one, two = histories
    assert len(one) == (2 if task == "retinopathy" else 4)
    for name, values in one.items():
        np.testing.assert_allclose(two[name], values, rtol=2e-3, err_msg=name)


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_two_machines_come_to_what_two_devices_come_to(prepared, trained, tmp_path, framework):
    """Both are this one, in a folder that they share: by torchrun's variables, and by Slurm's."""
    devices = trained(framework, 2)
    nodes = copy_of(prepared, tmp_path / "nodes", "digits", {**DIGITS, "framework": framework, "trainer.nodes": 2})
    port = free_port()
    if framework == "torch":
        common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        places = [common | {"RANK": str(number)} for number in (0, 1)]
    else:
        common = {"SLURM_NTASKS": "2", "SLURM_NODELIST": "localhost,gpu[07-08]", "SLURM_JOB_ID": str(port)}
        places = [common | {"SLURM_PROCID": str(number)} for number in (0, 1)]
    processes = [command(nodes, "train", "digits", **place) for place in places]
    try:
        said = [process.communicate(timeout=300)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], said
    assert history_of(nodes, "digits") == history_of(devices, "digits")
    for file in (nodes / "models/digits").iterdir():
        if file.name != "card.json":
            assert file.read_bytes() == (devices / "models/digits" / file.name).read_bytes()
    assert [path.name for path in (nodes / "models").iterdir()] == ["digits"]
    assert [path for path in nodes.glob(".checkpoints/**/*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("changes", "environment", "sentence"),
    [
        ({"trainer.devices": 0}, {}, "digits.train.trainer.devices"),
        ({"trainer.nodes": "2"}, {}, "digits.train.trainer.nodes must be a whole number"),
        ({"trainer.nodes": 2}, {}, "nothing says which of them this machine is; start it on each by srun"),
        (
            {"trainer.nodes": 2, "trainer.devices": 4},
            {"RANK": "5", "WORLD_SIZE": "8", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"},
            "nodes is 2, but RANK is 5 and WORLD_SIZE is 8; start one process on each machine",
        ),
        (
            {"trainer.devices": 3},
            {"CUDA_VISIBLE_DEVICES": "0,1"},
            "devices is 3, but this process has 2 of this machine's graphics cards; set devices to 2, or device to cpu",
        ),
    ],
)
def test_what_cannot_be_is_one_sentence(prepared, tmp_path, changes, environment, sentence):
    root = copy_of(prepared, tmp_path / "root", "digits", changes)
    process = command(root, "train", "digits", **environment)
    _, said = process.communicate(timeout=100)
    assert process.returncode == 2
    (line,) = said.splitlines()
    assert line.startswith("error: ")
    assert sentence in line
    assert not list(root.glob("models/*")) + list(root.glob("models/.*"))

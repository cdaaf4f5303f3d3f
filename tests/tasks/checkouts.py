"""Roots with a params.yaml to run stages in."""

from __future__ import annotations

import copy
import functools
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tasks.common.stage.params import read_params
from tasks.common.stage.paths import TaskPaths

REPOSITORY = Path(__file__).parents[2]
RUNNER = Path(__file__).parent / "run_stages.py"

STAGES = ("fetch", "prepare", "train", "evaluate", "plot", "package")

# What every model is tested with: its task, and what differs from params.yaml.
CONFIGURATIONS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "torch": ("digits", {"train.framework": "torch"}),
    "tensorflow": ("digits", {"train.framework": "tensorflow"}),
    "logistic_regression": ("tabular", {"train.model": "logistic_regression"}),
    "svc": ("tabular", {"train.model": "svc"}),
    "mlp": ("tabular", {"train.model": "mlp"}),
    # As small as everything in them still runs: what they learn is tested with the whole samples.
    "retinopathy": (
        "retinopathy",
        {"fetch.images": 90, "fetch.image_height": 64, "prepare.image_size": 32, "train.epochs": 2},
    ),
    "prostate": (
        "prostate",
        {"fetch.patients": 6, "prepare.side_pixels": 32, "train.channels": [4, 8], "train.epochs": 1},
    ),
    "posters": (
        "posters",
        {
            "fetch.posters": 150,
            "prepare.image_size": 32,
            "prepare.min_posters_per_genre": 5,
            "train.head.epochs": 1,
            "train.fine_tune.epochs": 1,
        },
    ),
    "pets": ("pets", {"fetch.train_images": 80, "fetch.test_images": 30, "train.epochs": 2, "train.depth": 1}),
}
# Those that are trained with another seed too.
OTHER_SEED = ("torch", "mlp", "retinopathy", "posters", "prostate")
TASKS = tuple(dict.fromkeys(task for task, _ in CONFIGURATIONS.values()))


def change_params(root: Path, changes: Mapping[str, Any]) -> None:
    """Set dotted keys in the params.yaml of `root`; None takes a key away."""
    path = root / "params.yaml"
    content = copy.deepcopy(_parse(path.read_text()))
    for dotted, value in changes.items():
        *parents, key = dotted.split(".")
        block = content
        for parent in parents:
            block = block[parent]
        if value is None:
            del block[key]
        else:
            block[key] = value
    with path.open("w") as file:
        YAML(typ="safe", pure=True).dump(content, file)


@functools.lru_cache(maxsize=8)
def _parse(text: str) -> dict[str, Any]:
    # Hundreds of tests change a copy of the same file.
    content: dict[str, Any] = YAML(typ="safe", pure=True).load(text)
    return content


def run_stages(jobs: list[tuple[str, str, Path]], **environment: str) -> dict[str, list[str]]:
    """Run (stage, task, root) jobs in one new process; the files of `tasks` that each `stage task` imported."""
    words = [f"{stage} {task} {root}" for stage, task, root in jobs]
    done = subprocess.run(
        [sys.executable, str(RUNNER), str(REPOSITORY), *words],
        capture_output=True,
        text=True,
        env=os.environ | {"DVC_NO_ANALYTICS": "1", "PAWL_STAGE_KEY": ""} | environment,
    )
    assert done.returncode == 0, done.stderr
    imported: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return imported


def params_of(paths: TaskPaths, stage: str) -> Any:
    """The parameters of a stage, as the stage reads them."""
    module = importlib.import_module(f"tasks.{paths.task}.{stage}.run")
    return read_params(paths.root, paths.task, stage, module.Params)

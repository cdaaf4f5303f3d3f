"""The whole way as an MLflow Project: a data version in, a tracked run with its model out.

It runs the stages of this checkout in a folder of their own, which is gone afterwards: nothing of the checkout changes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.common.packaging.build import STAGE as PACKAGE
from tasks.common.packaging.command import run_package
from tasks.common.stage.errors import EXIT_INPUT, TaskError
from tasks.common.stage.files import file_digest
from tasks.common.stage.params import PARAMS_FILE
from tasks.common.stage.paths import TaskPaths
from tasks.common.stage.progress import say
from tasks.common.stage.run import run_stage

TASK = "retinopathy"
STAGES = ("fetch", "prepare", "train", PACKAGE, "evaluate")
PRETRAINED_FILE = "pretrained.safetensors"

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


@dataclass(frozen=True)
class Settings:
    """The parameters of MLproject. What is None is as in params.yaml."""

    data_version: str | None
    data_path: str
    repo: str
    num_classes: int
    batch_size: int
    epochs: int
    lr: float
    weight_decay: float
    pretrained: bool
    pretrained_path: str | None
    model_path: str | None
    model: str | None
    image_size: int | None
    device: str | None


def run_project_command(arguments: Sequence[str], checkout: Path, folder: Path) -> int:
    """What `python src/tasks/project.py` does; relative paths in the arguments start at `folder`. The exit code."""
    settings = parse(arguments)
    try:
        run_project(settings, checkout, folder)
    except TaskError as error:
        say(f"error: {error}")
        return EXIT_INPUT
    return 0


def parse(arguments: Sequence[str]) -> Settings:
    """The settings in a list of words such as `--epochs 3`. Exits with code 2 for an unknown or malformed one."""
    parser = argparse.ArgumentParser(prog="project.py", description=__doc__, allow_abbrev=False)
    for name in ("data-version", "pretrained-path", "model-path", "model", "device"):
        parser.add_argument(f"--{name}", type=lambda text: text or None)
    for name in ("data-path", "repo"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("num-classes", "batch-size", "epochs"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("lr", "weight-decay"):
        parser.add_argument(f"--{name}", type=float, required=True)
    parser.add_argument("--image-size", type=lambda text: int(text) if text else None)
    parser.add_argument("--pretrained", type=parse_bool, required=True)
    return Settings(**vars(parser.parse_args(arguments)))


def parse_bool(text: str) -> bool:
    """True or false by name; Python's bool() would take "false" for true.

    >>> parse_bool("False"), parse_bool("1")
    (False, True)
    """
    if text.lower() in _TRUE + _FALSE:
        return text.lower() in _TRUE
    raise argparse.ArgumentTypeError(f'"{text}" is neither true nor false')


def run_project(settings: Settings, checkout: Path, folder: Path) -> None:
    """Run the stages with these settings, and log what they made to MLflow's current run, or a new one.

    checkout: the repository whose code and params.yaml count. Raises TaskError.
    """
    from tasks.retinopathy.mlflow_record import Record

    # It is of the stage of some checkout, not of the ones that run here.
    os.environ.pop("PAWL_STAGE_KEY", None)
    with tempfile.TemporaryDirectory(prefix="retinopathy-") as name, Record() as record:
        paths = TaskPaths(Path(name), TASK)
        write_params(settings, checkout, folder, paths.root)
        record.params(paths)
        for stage in STAGES:
            if stage == PACKAGE:
                run_package(TASK, paths.root)
            else:
                run_stage(stage, TASK, paths.root)
            record.stage(stage, paths)
        if settings.model_path:
            target = folder / settings.model_path
            shutil.copytree(paths.model, target, dirs_exist_ok=True)
            say(f"the model is in {target}")


def write_params(settings: Settings, checkout: Path, folder: Path, root: Path) -> None:
    """Write to `root` the checkout's params.yaml with the settings in it, and the pretrained weights beside it."""
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    block = yaml.load((checkout / PARAMS_FILE).read_text(encoding="utf-8")).get(TASK)
    if block is None:
        raise TaskError(f'{checkout / PARAMS_FILE} has no block "{TASK}"; restore it from git.')
    if settings.data_version:
        local = folder / settings.repo
        repo = str(local.resolve()) if local.is_dir() else settings.repo
        block["fetch"]["source"] = {"repo": repo, "path": settings.data_path, "rev": settings.data_version}
    block["prepare"]["num_classes"] = settings.num_classes
    block["train"] |= {
        "batch_size": settings.batch_size,
        "epochs": settings.epochs,
        "learning_rate": settings.lr,
        "weight_decay": settings.weight_decay,
        "pretrained": _pretrained(settings, folder, root),
    }
    if settings.image_size:
        block["prepare"]["image_size"] = settings.image_size
    if settings.model:
        block["train"]["model"] = settings.model
    if settings.device:
        block["train"]["trainer"]["device"] = block["evaluate"]["device"] = settings.device
    with (root / PARAMS_FILE).open("w", encoding="utf-8") as file:
        yaml.dump({"tasks": [TASK], TASK: block}, file)


def _pretrained(settings: Settings, folder: Path, root: Path) -> dict[str, Any] | None:
    if not settings.pretrained:
        return None
    given = folder / (settings.pretrained_path or "")
    if not given.is_file():
        raise TaskError(
            "pretrained is true, but pretrained_path names no file; give it a safetensors file of a ResNet-18."
        )
    shutil.copyfile(given, root / PRETRAINED_FILE)
    return {"path": PRETRAINED_FILE, "sha256": file_digest(root / PRETRAINED_FILE)}

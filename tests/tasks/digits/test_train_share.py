"""A part of the training split: which one follows from the seed, and nothing else of the data changes."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from tasks.common.data.shards import open_shard
from tasks.common.model.card import read_card
from tasks.common.stage.paths import TaskPaths
from tasks.digits.train.run import run as train
from tests.tasks.checkouts import change_params, params_of


def mean_learnt_from(finished, root, share: float, seed: int) -> float:
    """Brightness of what was learnt from, by which the model's card has images made alike."""
    shutil.copytree(finished["torch"].root / "data", root / "data")
    shutil.copy(finished["torch"].root / "params.yaml", root)
    keys = {"train_share": share, "seed": seed, "epochs": 1}
    change_params(root, {f"digits.train.{key}": value for key, value in keys.items()})
    paths = TaskPaths(root, "digits")
    train(paths, params_of(paths, "train"))
    return float(read_card(paths.model, "digits").preprocessing["mean"])


def test_the_seed_draws_what_is_learnt_from(finished, tmp_path):
    images = open_shard(finished["torch"].prepared, "images", "train")
    whole = mean_learnt_from(finished, tmp_path / "whole", 1.0, 1)
    half, again, other = (
        mean_learnt_from(finished, tmp_path / name, 0.5, seed) for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert whole == pytest.approx(float(np.asarray(images).mean()))
    assert half == again
    assert len({whole, half, other}) == 3

"""Parameter files of other kinds than params.yaml, with other values set."""

from __future__ import annotations

import json
from pathlib import Path

from pawl.pipeline.overrides import apply_overrides


def test_json_stays_json(tmp_path: Path) -> None:
    settings = {"train": {"seed": 1, "name": "größer", "rate": 0.5, "layers": [1, 2], "none": None, "on": True}}
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    texts = apply_overrides(tmp_path, ["settings.json:train.seed=1001", "settings.json:train.rate=2"])
    settings["train"] |= {"seed": 1001, "rate": 2.0}
    assert json.loads(texts["settings.json"]) == settings


def test_comments_are_kept_in_yaml(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("train:\n  # Of weights.\n  seed: 1\n")
    assert apply_overrides(tmp_path, ["train.seed=2"]) == {"params.yaml": "train:\n  # Of weights.\n  seed: 2\n"}

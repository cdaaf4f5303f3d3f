"""dvc.lock of many stages: written together, whole at the end, and after an interrupt."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from pawl.pipeline.locking import Locking
from tests.pipeline.dag import make_dag, reproduce_all, stage

STAGES = {f"s{n:02d}": stage(f"s{n:02d}") for n in range(12)}


def test_a_file_that_is_dear_to_write_is_written_less_often_and_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, times = Locking.write, []

    def dear(self: Locking) -> None:
        times.append(len(self._waiting))
        write(self)
        self._cost_seconds = 600.0

    monkeypatch.setattr(Locking, "write", dear)
    root = make_dag(tmp_path / "work", STAGES)
    reproduce_all(root, 1)
    assert times == [1, 11]
    lock = yaml.safe_load((root / "dvc.lock").read_text())
    assert list(lock["stages"]) == list(STAGES)


def test_what_was_made_before_a_failure_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_dag(tmp_path / "work", STAGES)
    made = Locking.made

    def break_off(self: Locking, stage: object) -> None:
        made(self, stage)  # type: ignore[arg-type]
        self._cost_seconds = 600.0
        if stage.name == "s05":  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    monkeypatch.setattr(Locking, "made", break_off)
    with pytest.raises(KeyboardInterrupt):
        reproduce_all(root, 1)
    assert list(yaml.safe_load((root / "dvc.lock").read_text())["stages"]) == list(STAGES)[:6]

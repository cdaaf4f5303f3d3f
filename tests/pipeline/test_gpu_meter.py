"""What a stage makes of its GPUs, by the real bindings and a small library in place of the driver's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pawl.pipeline.gpu_meter import GpuMeter, GpuUse, driver_version
from tests.pipeline.nvml import make_library, needs_compiler
from tests.support.repositories import make_repository, pawl

SRC = str(Path(__file__).parents[2] / "src")
METER = """
import json, sys, time
from dataclasses import asdict
from pawl.pipeline import gpu_meter
gpu_meter._EVERY_SECONDS, gpu_meter._PATIENCE_SECONDS = 0.01, 0.5
with gpu_meter.GpuMeter(sys.argv[1:]) as meter:
    time.sleep(0.1)
print(json.dumps(asdict(meter.use)))
"""
NOTHING = {"utilisation": None, "peak_memory_bytes": None, "energy_joules": None}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment in which the driver's library is there."""
    return make_library(tmp_path_factory.mktemp("driver"))


def metered(env: dict[str, str], *gpus: str, **behaviour: str) -> dict[str, float | None]:
    done = subprocess.run(
        [sys.executable, "-c", METER, *gpus],
        env={**env, **behaviour, "PYTHONPATH": SRC},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert not done.stderr
    found: dict[str, float | None] = json.loads(done.stdout)
    return found


@needs_compiler
def test_only_the_cards_that_are_held_are_read(library: dict[str, str]) -> None:
    first = metered(library, "0")
    assert first == {"utilisation": 0.4, "peak_memory_bytes": 1_000_000_000, "energy_joules": 1.5}
    assert metered(library, "GPU-one")["peak_memory_bytes"] == 2_000_000_000
    both = metered(library, "0", "1")
    assert both["utilisation"] == pytest.approx(0.5)
    assert (both["peak_memory_bytes"], both["energy_joules"]) == (2_000_000_000, 4.5)


@needs_compiler
def test_what_a_card_does_not_tell_is_absent_and_the_rest_is_there(library: dict[str, str]) -> None:
    assert metered(library, "0", NO_ENERGY="1") == {
        "utilisation": 0.4,
        "peak_memory_bytes": 1_000_000_000,
        "energy_joules": None,
    }


@needs_compiler
def test_what_stops_telling_midway_is_absent_not_half(library: dict[str, str]) -> None:
    found = metered(library, "0", LOST_AFTER="3")
    assert found["utilisation"] is None
    assert found["energy_joules"] == 1.5


@needs_compiler
def test_a_card_that_nobody_knows_or_that_does_not_answer_holds_nothing_up(library: dict[str, str]) -> None:
    assert metered(library, "0", "7") == NOTHING
    assert metered(library, "MIG-77") == NOTHING
    assert metered(library, "0", HANG="1") == NOTHING


def test_without_the_driver_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with GpuMeter(["0"]) as meter:
        pass
    assert meter.use == GpuUse()
    assert driver_version() is None


@needs_compiler
def test_a_run_says_what_its_gpus_cost(tmp_path: Path, library: dict[str, str]) -> None:
    """Two cards, of which each stage holds one, but evaluate none."""
    settings = "resources: {evaluate: {gpus: 0}}\ntracking: {enabled: false}\ncost: {per_hour: 2, currency: CHF}\n"
    root = make_repository(tmp_path / "repository", config=settings)
    smi = tmp_path / "bin" / "nvidia-smi"
    smi.parent.mkdir()
    smi.write_text("#!/bin/sh\necho '0, Test Card 80GB'\necho '1, Test Card 80GB'\n")
    smi.chmod(0o755)
    env = {name: value for name, value in library.items() if name != "CUDA_VISIBLE_DEVICES"}
    env["PATH"] = f"{smi.parent}{os.pathsep}{env['PATH']}"
    for arguments in (("plan", "--all"), ("reproduce", "--jobs", "2")):
        done = pawl(root, *arguments, env=env)
        assert done.returncode == 0, done.stderr
    written = json.loads((root / "reports" / "stages.json").read_text())
    assert written["machine"]["driver"] == "550.54.15"
    assert written["rate"] == {"per_hour": 2.0, "currency": "CHF"}
    train, evaluate = (next(s["usage"] for s in written["stages"] if s["name"] == n) for n in ("train", "evaluate"))
    assert train["gpu_seconds"] == pytest.approx(train["seconds"])
    assert (train["gpu_utilisation"], train["gpu_peak_memory_bytes"]) == (0.4, 1_000_000_000)
    assert train["energy_joules"] == 1.5
    assert evaluate["gpu_seconds"] == 0
    assert evaluate["energy_joules"] is None

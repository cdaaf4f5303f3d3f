"""What the machine and its cards do, under MLflow's names: real bindings, and a small library in the driver's place."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pawl.tracking.sampling import Sampler
from tests.pipeline.nvml import SOURCE, needs_compiler

# More of the library: what it takes to tell memory in all, and power; and what a broken driver says.
MORE = r"""
typedef struct { unsigned long long total, free, used; } memory_v1;
int nvmlDeviceGetMemoryInfo(void *handle, memory_v1 *found) {
    found->total = number("NONSENSE") > 0 ? 0 : 4000000000ULL;
    return 0;
}
int nvmlDeviceGetPowerUsage(void *handle, unsigned *milliwatts) {
    if (number("NO_POWER") > 0) return NOT_SUPPORTED;
    *milliwatts = number("NONSENSE") > 0 ? 4294967295u : 70500 + 1000 * card(handle);
    return 0;
}
"""
MACHINE = {
    "system/cpu_utilization_percentage", "system/system_memory_usage_megabytes",
    "system/system_memory_usage_percentage",
}  # fmt: skip
SAMPLE = """
import json, sys, time
from pawl.tracking import sampling
from pawl.waiting import end_process
sampling._GPU_SECONDS = float(sys.argv[1])
sampler = sampling.Sampler(sys.argv[2:])
found = []
for _ in range(3):
    time.sleep(0.15)
    begun = time.monotonic()
    found.append(sampler.read() | {"took": time.monotonic() - begun})
sampler.close()
print(json.dumps(found))
end_process(0)
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment in which the driver's library is there."""
    folder = tmp_path_factory.mktemp("driver")
    source = SOURCE.replace("found->gpu = 40", 'found->gpu = number("NONSENSE") > 0 ? 4294967295u : 40')
    (folder / "nvml.c").write_text(source + MORE)
    command = ["cc", "-shared", "-fPIC", "-o", str(folder / "libnvidia-ml.so.1"), str(folder / "nvml.c")]
    subprocess.run(command, check=True)
    return {**os.environ, "LD_LIBRARY_PATH": str(folder)}


def samples(env: dict[str, str], *gpus: str, seconds: float = 20, **behaviour: str) -> list[dict[str, float]]:
    """Three samples, taken in a process that finds the library."""
    done = subprocess.run(
        [sys.executable, "-c", SAMPLE, str(seconds), *gpus],
        env={**env, **behaviour, "PYTHONPATH": str(Path(__file__).parents[2] / "src")},
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert not done.stderr
    found: list[dict[str, float]] = json.loads(done.stdout)
    assert len(found) == 3
    for sample in found:
        assert sample.keys() >= MACHINE, "the machine itself is there, whatever the cards do"
        assert 0 <= sample["system/cpu_utilization_percentage"] <= 100
    return found


def of_cards(sample: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in sample.items() if "gpu" in name}


@needs_compiler
def test_the_cards_that_a_stage_holds_are_told_in_mlflows_names(library: dict[str, str]) -> None:
    first, *_ = samples(library, "0", "GPU-one")
    assert of_cards(first) == {
        "system/gpu_0_utilization_percentage": 40,
        "system/gpu_0_memory_usage_megabytes": 1_000,
        "system/gpu_0_memory_usage_percentage": 25,
        "system/gpu_0_power_usage_watts": 70.5,
        "system/gpu_1_utilization_percentage": 60,
        "system/gpu_1_memory_usage_megabytes": 2_000,
        "system/gpu_1_memory_usage_percentage": 50,
        "system/gpu_1_power_usage_watts": 71.5,
    }
    import mlflow.system_metrics.metrics.gpu_monitor as gpus
    from mlflow.system_metrics.metrics import cpu_monitor

    known = re.findall(r'f?"((?:gpu|cpu|system)_[\w{}]+)"', "".join(
        Path(str(module.__file__)).read_text() for module in (gpus, cpu_monitor)
    ))  # fmt: skip
    shown = {f"system/{name.replace('{i}', '0')}" for name in known}
    assert {name for name in first if name not in ("took",) and "gpu_1" not in name} <= shown


@needs_compiler
def test_what_a_card_does_not_tell_is_left_out(library: dict[str, str]) -> None:
    for sample in samples(library, "0", NO_POWER="1"):
        assert of_cards(sample).keys() == {
            "system/gpu_0_utilization_percentage",
            "system/gpu_0_memory_usage_megabytes",
            "system/gpu_0_memory_usage_percentage",
        }
    told = [bool(of_cards(sample)) for sample in samples(library, "0", LOST_AFTER="1")]
    assert told == [True, False, False]


@needs_compiler
def test_numbers_that_cannot_be_are_left_out(library: dict[str, str]) -> None:
    for sample in samples(library, "0", NONSENSE="1"):
        assert of_cards(sample) == {}


@needs_compiler
def test_a_card_that_does_not_answer_holds_nothing_up_and_is_asked_once(library: dict[str, str]) -> None:
    found = samples(library, "0", seconds=0.5, HANG="1")
    assert [of_cards(sample) for sample in found] == [{}, {}, {}]
    assert found[0]["took"] > 0.4
    assert max(sample["took"] for sample in found[1:]) < found[0]["took"] / 2


@needs_compiler
@pytest.mark.parametrize("gpus", [(), ("7",), ("MIG-77",)], ids=["none", "unknown", "a slice"])
def test_cards_that_are_not_there_are_not_told(library: dict[str, str], gpus: tuple[str, ...]) -> None:
    for sample in samples(library, *gpus):
        assert of_cards(sample) == {}


def test_without_a_driver_only_the_machine_is_told() -> None:
    sampler = Sampler(["0"])
    assert of_cards(sampler.read()) == {}
    sampler.close()

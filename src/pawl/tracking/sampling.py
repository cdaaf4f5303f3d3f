"""What the machine does while a stage runs: processor, memory and GPUs, under the names that MLflow's pages know."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pawl.pipeline.gpu_meter import GpuSampler

_STAT, _MEMORY = Path("/proc/stat"), Path("/proc/meminfo")
_MEGABYTE = 1_000_000


class Sampler:
    """Reads the machine each time it is asked; what cannot be read is left out. Utilisation is since the last time."""

    def __init__(self, gpus: Sequence[str]) -> None:
        self._gpus = GpuSampler(gpus)
        self._last = _ticks()

    def read(self) -> dict[str, float]:
        """Metric's name -> value: percent, megabytes and watts."""
        found: dict[str, float] = {}
        ticks = _ticks()
        if ticks and self._last and ticks[1] > self._last[1]:
            busy = (ticks[0] - self._last[0]) / (ticks[1] - self._last[1])
            found["system/cpu_utilization_percentage"] = round(100 * busy, 2)
        self._last = ticks
        memory = _memory()
        if memory:
            used, total = memory
            found["system/system_memory_usage_megabytes"] = round(used / _MEGABYTE, 1)
            found["system/system_memory_usage_percentage"] = round(100 * used / total, 2)
        for index, card in enumerate(self._gpus.read()):
            name = f"system/gpu_{index}"
            found[f"{name}_utilization_percentage"] = card.utilisation_percent
            found[f"{name}_memory_usage_megabytes"] = round(card.memory_bytes / _MEGABYTE, 1)
            found[f"{name}_memory_usage_percentage"] = round(100 * card.memory_bytes / card.memory_total_bytes, 2)
            if card.power_watts is not None:
                found[f"{name}_power_usage_watts"] = card.power_watts
        return found

    def close(self) -> None:
        """Let go of the cards."""
        self._gpus.close()


def _ticks() -> tuple[int, int] | None:
    """(busy, all) clock ticks of all cores since the start."""
    with suppress(OSError, ValueError, IndexError):
        numbers = [int(part) for part in _STAT.read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]
        return sum(numbers) - numbers[3] - numbers[4], sum(numbers)
    return None


def _memory() -> tuple[int, int] | None:
    """(used, total) bytes."""
    with suppress(OSError, ValueError, KeyError):
        rows = (line.split() for line in _MEMORY.read_text(encoding="ascii").splitlines())
        kilobytes = {row[0]: int(row[1]) for row in rows if len(row) > 1}
        total = kilobytes["MemTotal:"] * 1024
        return total - kilobytes["MemAvailable:"] * 1024, total
    return None

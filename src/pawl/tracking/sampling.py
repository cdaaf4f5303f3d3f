"""What the machine does while a stage runs: processor, memory and GPUs, under the names that MLflow's pages know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from pawl.pipeline.gpu_meter import CardNow, GpuSampler
from pawl.waiting import within

_STAT, _MEMORY = Path("/proc/stat"), Path("/proc/meminfo")
_MEGABYTE = 1_000_000
_GPU_SECONDS = 2.0
"""After which cards that do not answer are asked no more."""
_MOST_WATTS = 10_000
_Answer = TypeVar("_Answer")


class Sampler:
    """Reads the machine each time it is asked; what cannot be read is left out. Utilisation is since the last time.

    Never raises, and never holds anything up for more than seconds.
    """

    def __init__(self, gpus: Sequence[str]) -> None:
        self._gpus: GpuSampler | None = None
        if gpus:
            self._gpus = _in_time(lambda: GpuSampler(gpus))
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
        for index, card in enumerate(self._cards()):
            found |= _of_card(f"system/gpu_{index}", card)
        return found

    def close(self) -> None:
        """Let go of the cards."""
        if self._gpus is not None:
            _in_time(self._gpus.close)

    def _cards(self) -> list[CardNow]:
        cards = _in_time(self._gpus.read) if self._gpus is not None else []
        if cards is None:
            self._gpus = None  # a driver in trouble: whoever asks it again waits again
        return cards or []


def _in_time(ask: Callable[[], _Answer]) -> _Answer | None:
    """What the driver answers; None where it does not."""
    with suppress(Exception):
        return within(_GPU_SECONDS, ask)
    return None


def _of_card(name: str, card: CardNow) -> dict[str, float]:
    """What a card tells; numbers that cannot be are left out."""
    found: dict[str, float] = {}
    if 0 <= card.utilisation_percent <= 100:
        found[f"{name}_utilization_percentage"] = card.utilisation_percent
    if 0 <= card.memory_bytes <= card.memory_total_bytes > 0:
        found[f"{name}_memory_usage_megabytes"] = round(card.memory_bytes / _MEGABYTE, 1)
        found[f"{name}_memory_usage_percentage"] = round(100 * card.memory_bytes / card.memory_total_bytes, 2)
    if card.power_watts is not None and 0 <= card.power_watts <= _MOST_WATTS:
        found[f"{name}_power_usage_watts"] = card.power_watts
    return found


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

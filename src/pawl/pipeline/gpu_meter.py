"""What a command makes of the GPUs that it holds: read from NVIDIA's management library while it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

_EVERY_SECONDS = 0.5
_PATIENCE_SECONDS = 10.0


@dataclass(frozen=True)
class GpuUse:
    """What the cards told; None for what they do not tell, or stopped telling before the end."""

    utilisation: float | None = None
    """Mean share of the time in which a kernel ran, 0 to 1, over all of them."""
    peak_memory_bytes: int | None = None
    """The most that was in use on one of them."""
    energy_joules: float | None = None
    """Of all of them, by their own counters."""


class GpuMeter:
    """`with GpuMeter(gpus) as meter:` watches while the block runs; `meter.use` is complete after it.

    `gpus` are indices, or UUIDs, as CUDA_VISIBLE_DEVICES has them. Never raises, and never holds anything up for more
    than seconds: the cards are read in a thread of its own, since a driver in trouble may not answer.
    """

    def __init__(self, gpus: Sequence[str]) -> None:
        self.use = GpuUse()
        self._gpus = gpus
        self._begun = threading.Event()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> GpuMeter:
        if self._gpus:
            self._thread.start()
            self._begun.wait(_PATIENCE_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        if self._gpus:
            self._thread.join(_PATIENCE_SECONDS)

    def _watch(self) -> None:
        with suppress(Exception):  # without the library, a driver, or cards that it knows, nothing is known
            import pynvml as nvml  # type: ignore[import-untyped]

            nvml.nvmlInit()
            try:
                self._read(nvml, [_card(nvml, gpu) for gpu in self._gpus])
            finally:
                nvml.nvmlShutdown()
        self._begun.set()

    def _read(self, nvml: Any, cards: list[Any]) -> None:
        energy = _Reading(nvml.nvmlDeviceGetTotalEnergyConsumption, cards)  # millijoules since the driver was loaded
        busy = _Reading(lambda card: nvml.nvmlDeviceGetUtilizationRates(card).gpu, cards)  # percent of the last moment
        memory = _Reading(lambda card: _memory(nvml, card), cards)
        energy.take()
        self._begun.set()
        ended = False
        while not ended:
            ended = self._end.wait(_EVERY_SECONDS)
            busy.take()
            memory.take()
        energy.take()
        spent = energy.last - energy.first
        self.use = GpuUse(
            utilisation=None if busy.lost else min(busy.total / busy.count / len(cards) / 100, 1.0),
            peak_memory_bytes=None if memory.lost else int(memory.peak),
            energy_joules=None if energy.lost or spent < 0 else spent / 1_000,
        )


class _Reading:
    """One kind of number, read from all cards again and again; `lost` once a card failed to tell."""

    def __init__(self, read: Callable[[Any], float], cards: list[Any]) -> None:
        self._read = read
        self._cards = cards
        self.lost = False
        self.count = 0
        self.first = self.last = self.total = self.peak = 0.0
        """Sums over the cards: the first and last ones, and of all; and the highest number of a single card."""

    def take(self) -> None:
        if self.lost:
            return
        try:
            values = [self._read(card) for card in self._cards]
        except Exception:  # a card that cannot tell, or broke
            self.lost = True
            return
        self.last = float(sum(values))
        self.first = self.first if self.count else self.last
        self.total += self.last
        self.peak = max(self.peak, *map(float, values))
        self.count += 1


def driver_version() -> str | None:
    """The version of the GPUs' driver, None where nothing tells."""
    with suppress(Exception):
        import pynvml as nvml

        nvml.nvmlInit()
        try:
            version = nvml.nvmlSystemGetDriverVersion()
        finally:
            nvml.nvmlShutdown()
        return (version if isinstance(version, str) else version.decode())[:100]
    return None


def _card(nvml: Any, gpu: str) -> Any:
    return nvml.nvmlDeviceGetHandleByIndex(int(gpu)) if gpu.isdigit() else nvml.nvmlDeviceGetHandleByUUID(gpu)


def _memory(nvml: Any, card: Any) -> int:
    """Bytes in use; by the newer of the library's two questions, which leaves out what the driver keeps for itself."""
    try:
        used: int = nvml.nvmlDeviceGetMemoryInfo(card, version=nvml.nvmlMemory_v2).used
    except nvml.NVMLError:
        used = nvml.nvmlDeviceGetMemoryInfo(card).used
    return used


@dataclass(frozen=True)
class CardNow:
    """One card at one moment; `power_watts` is None where it does not tell."""

    utilisation_percent: float
    memory_bytes: int
    memory_total_bytes: int
    power_watts: float | None


class GpuSampler:
    """Reads cards now and then; never raises. `gpus` as for GpuMeter. A driver in trouble may hold the caller up."""

    def __init__(self, gpus: Sequence[str]) -> None:
        self._nvml: Any = None
        self._cards: list[Any] = []
        if gpus:
            with suppress(Exception):
                import pynvml as nvml

                nvml.nvmlInit()
                self._nvml = nvml
                self._cards = [_card(nvml, gpu) for gpu in gpus]

    def read(self) -> list[CardNow]:
        """How each card is, in their order; those that do not tell are left out."""
        found = []
        for card in self._cards:
            with suppress(Exception):
                nvml, power = self._nvml, None
                with suppress(Exception):
                    power = nvml.nvmlDeviceGetPowerUsage(card) / 1_000
                found.append(
                    CardNow(
                        utilisation_percent=float(nvml.nvmlDeviceGetUtilizationRates(card).gpu),
                        memory_bytes=_memory(nvml, card),
                        memory_total_bytes=nvml.nvmlDeviceGetMemoryInfo(card).total,
                        power_watts=power,
                    )
                )
        return found

    def close(self) -> None:
        """Let go of the library."""
        if self._nvml is not None:
            with suppress(Exception):
                self._nvml.nvmlShutdown()

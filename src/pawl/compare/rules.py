"""How a metric is judged: by whose settings, and widened by which luck of training."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from pawl.config import Config, MetricRule
from pawl.schema import Noise


@dataclass(frozen=True)
class Rules:
    """Base's settings where they speak of a metric, head's for the rest: a branch cannot relax its own gate."""

    base: Config | None
    head: Config
    noise: Noise | None = None
    """The spread between seeds, as base's commit has it on record: a branch cannot widen its own intervals."""

    def rule(self, path: str, key: str) -> MetricRule:
        """The rule that judges one metric."""
        rules = [config.rule(path, key) for config in self._configs()]
        return next((rule for rule in rules if rule != MetricRule()), MetricRule())

    def spread(self, path: str, key: str) -> tuple[float, int] | None:
        """Standard deviation of a metric between seeds, and of how many; None where it was not measured."""
        return self._spreads.get((path, key))

    @property
    def has_primary(self) -> bool:
        """Whether anything is gated."""
        return any(config.has_primary for config in self._configs())

    @property
    def stage_environment(self) -> list[str]:
        """The secrets that stages are given: base's settings alone name them, where there are any."""
        return list((self.base or self.head).stage_environment)

    @property
    def predictions(self) -> list[str]:
        """Patterns over the outputs with predictions; head cannot take base's away."""
        return list(dict.fromkeys(pattern for config in self._configs() for pattern in config.predictions))

    @property
    def manifests(self) -> list[str]:
        """Likewise over the tables of examples."""
        return list(dict.fromkeys(pattern for config in self._configs() for pattern in config.manifests))

    @property
    def models(self) -> list[str]:
        """Likewise over the outputs that are models."""
        return list(dict.fromkeys(pattern for config in self._configs() for pattern in config.models))

    @cached_property
    def _spreads(self) -> dict[tuple[str, str], tuple[float, int]]:
        measured = self.noise.metrics if self.noise else ()
        return {(m.path, m.key): (m.standard_deviation, m.count) for m in measured}

    def _configs(self) -> list[Config]:
        return [config for config in (self.base, self.head) if config is not None]

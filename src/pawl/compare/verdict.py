"""From two columns of numbers to one word: direction and tolerance for each, the worst primary one for the whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import PurePosixPath

from pawl.config import Config, MetricRule, guess_direction
from pawl.schema import Headline, Measured, MetricComparison, MetricVerdict

_WORST_FIRST: tuple[MetricVerdict, ...] = ("worse", "not comparable", "no measurable change", "better")
_GENERIC_STEMS = {"metrics", "scores", "summary", "results", "report", "eval"}
_STATE_WORDS = {
    "missing": "is missing",
    "nan": "is not a number (NaN)",
    "infinite": "is infinite",
    "not a number": "is not a number",
    "not run": "was not measured",
    "failed": "has no result, because its stage failed",
}


class Rules:
    """Base's `pawl.yaml` where it speaks of a metric, head's for the rest: a branch cannot relax its own gate."""

    def __init__(self, base: Config | None, head: Config):
        self._configs = [config for config in (base, head) if config is not None]

    def rule(self, path: str, key: str) -> MetricRule:
        """The rule that judges one metric."""
        rules = [config.rule(path, key) for config in self._configs]
        return next((rule for rule in rules if rule != MetricRule()), MetricRule())

    @property
    def has_primary(self) -> bool:
        """Whether anything is gated."""
        return any(config.has_primary for config in self._configs)


def judge(
    values: Mapping[tuple[str, str], tuple[Measured, Measured]], rules: Rules, unchanged_paths: set[str]
) -> tuple[MetricComparison, ...]:
    """A verdict for every (file, key): primary ones first, those that are only described last.

    Files of `unchanged_paths` are one result on both sides.
    """
    names = _names(list(values))
    judged = [
        _judge_one(names[where], where, sides, rules.rule(*where), same=where[0] in unchanged_paths)
        for where, sides in values.items()
    ]
    return tuple(sorted(judged, key=lambda metric: (not metric.primary, metric.direction == "none")))


def _judge_one(
    name: str, where: tuple[str, str], sides: tuple[Measured, Measured], rule: MetricRule, *, same: bool
) -> MetricComparison:
    base, head = sides
    direction = rule.direction or guess_direction(where[1])
    difference = head.value - base.value if head.value is not None and base.value is not None else None
    verdict, reason = _verdict(base, head, difference, direction, rule.tolerance, same=same)
    return MetricComparison(
        name=name,
        path=where[0],
        key=where[1],
        base=base,
        head=head,
        difference=difference,
        direction=direction,
        direction_guessed=rule.direction is None,
        tolerance=rule.tolerance,
        primary=rule.primary,
        verdict=verdict,
        reason=reason,
    )


def _verdict(
    base: Measured, head: Measured, difference: float | None, direction: str, tolerance: float, *, same: bool
) -> tuple[MetricVerdict, str]:
    if difference is None:
        if base.state == "missing" and head.state == "ok":
            return "not comparable", "new: base has no such metric"
        who, what = ("head", head) if head.state != "ok" else ("base", base)
        return "not comparable", f"on {who} it {_STATE_WORDS[what.state]}"
    if same:
        return "no measurable change", "the same code, parameters and data on both sides"
    # Two decimal numbers a tolerance apart differ by a hair more or less than it in binary.
    if abs(difference) <= tolerance * (1 + 1e-9):
        return "no measurable change", f"within the tolerance of {tolerance:g}" if tolerance else "equal"
    if direction == "none":
        return "no measurable change", "only described: no direction is set for it"
    improved = (difference > 0) == (direction == "higher")
    return ("better" if improved else "worse"), f"{direction} is better" + (
        f", tolerance {tolerance:g}" if tolerance else ""
    )


def headline(
    metrics: tuple[MetricComparison, ...], *, failed: list[str], changed: bool, unchanged_paths: set[str]
) -> tuple[Headline, str]:
    """The verdict of the whole, and a sentence. `failed`: head's failed stages; `changed`: whether a recipe differs."""
    if failed:
        return "failed", f"Failed: {', '.join(failed[:3])}{' and more' if len(failed) > 3 else ''}."
    if not changed:
        return "unchanged", "Unchanged: no code, parameter or data that a result follows from differs from base."
    primary = [metric for metric in metrics if metric.primary]
    counted = [m for m in primary or [m for m in metrics if m.direction != "none"] if m.path not in unchanged_paths]
    if not counted:
        return "no measurable change", "No measurable change: what differs reaches no metric."
    deciding = min(counted, key=lambda metric: _WORST_FIRST.index(metric.verdict))
    alike = [metric for metric in counted if metric.verdict == deciding.verdict]
    others = [metric for metric in counted if metric.verdict != deciding.verdict]
    sentence = f"{deciding.verdict.capitalize()}: {'; '.join(describe(metric) for metric in alike[:3])}"
    if len(alike) > 3:
        sentence += f"; and {len(alike) - 3} more"
    if others and primary:
        sentence += f" (elsewhere {', '.join(f'{m.name} {m.verdict}' for m in others[:3])})"
    return deciding.verdict, f"{sentence[:1_900]}."


def describe(metric: MetricComparison) -> str:
    """One metric in a few words, such as `digits accuracy 0.9722 → 0.9861 (+0.0139)`."""
    if metric.base.value is None or metric.head.value is None or metric.difference is None:
        return f"{metric.name}: {metric.reason}"
    change = f"{metric.difference:+.3g}".replace("-", "\N{MINUS SIGN}", 1)
    return f"{metric.name} {metric.base.value:.4g} → {metric.head.value:.4g} ({change})"


def _names(wheres: list[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """A short name for each (file, key): as much of the file's path as tells it from the other files, and the key."""
    paths = list(dict.fromkeys(path for path, _ in wheres))
    parts = {path: _telling_parts(path) for path in paths}
    labels = dict.fromkeys(paths, "")
    for count in range(1, max(map(len, parts.values()), default=0) + 1):
        uses = Counter(labels.values())
        labels |= {path: "/".join(parts[path][-count:]) for path in paths if uses[labels[path]] > 1 or count == 1}
    uses = Counter(labels.values())
    labels |= {path: path for path in paths if uses[labels[path]] > 1}
    return {(path, key): f"{labels[path]} {key}".strip() or path for path, key in wheres}


def _telling_parts(path: str) -> tuple[str, ...]:
    pure = PurePosixPath(path)
    return pure.parent.parts if pure.stem in _GENERIC_STEMS else pure.with_suffix("").parts

"""From a metric's two values, and what is known of luck, to one word.

A difference is called better or worse only where luck is an unlikely explanation: the interval of head - base at 95 %
excludes 0, and its p-value stays below 0.05 after Holm's correction over the metrics that are judged together. Where
nothing measures luck, a tolerance that somebody set decides by the numbers alone, and nothing else does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pawl.compare.naming import metric_names
from pawl.compare.rules import Rules
from pawl.compare.values import Measured
from pawl.config import Direction, MetricRule, guess_direction
from pawl.schema import MetricComparison, MetricVerdict, WhyNot

if TYPE_CHECKING:
    from pawl.compare.statistics.differences import Difference

LEVEL = 0.05
"""Chance of calling luck a change, for all metrics that are judged together."""
_STATE_WORDS = {
    "missing": "is missing",
    "nan": "is not a number (NaN)",
    "infinite": "is infinite",
    "not a number": "is not a number",
    "not run": "was not measured",
    "failed": "has no result, because its stage failed",
}


@dataclass(frozen=True)
class Ground:
    """What the verdict on one metric can rest on."""

    difference: Difference | None = None
    """Paired on the same examples; None where they could not be."""
    why_not: WhyNot | None = None
    """Why the sides cannot be compared whatever their numbers are, with the reason in words."""
    reason: str = ""


@dataclass(frozen=True)
class _Draft:
    """A metric on its way to its verdict."""

    where: tuple[str, str]
    sides: tuple[Measured, Measured]
    rule: MetricRule
    direction: Direction
    direction_guessed: bool
    ground: Ground
    same: bool
    seed_sd: float | None = None
    p_corrected: float | None = None
    corrected_for: int = 1


def judge(
    values: Mapping[tuple[str, str], tuple[Measured, Measured]],
    rules: Rules,
    unchanged_paths: set[str],
    grounds: Mapping[tuple[str, str], Ground] | None = None,
) -> tuple[MetricComparison, ...]:
    """A verdict for every (file, key): primary ones first, those that are only described last.

    Files of `unchanged_paths` are one result on both sides.
    """
    names = metric_names(list(values))
    drafts = [
        _draft(where, sides, rules, (grounds or {}).get(where, Ground()), same=where[0] in unchanged_paths)
        for where, sides in values.items()
    ]
    judged = [_judged(names[draft.where], draft) for draft in _corrected(drafts)]
    return tuple(sorted(judged, key=lambda metric: (not metric.primary, metric.direction == "none")))


def _draft(
    where: tuple[str, str], sides: tuple[Measured, Measured], rules: Rules, ground: Ground, *, same: bool
) -> _Draft:
    """The metric with the luck of the seed added to that of the examples, or alone where there are no examples."""
    rule = rules.rule(*where)
    direction, guessed = _direction(where[1], rule, ground)
    draft = _Draft(where, sides, rule, direction, guessed, ground, same)
    base, head = sides[0].value, sides[1].value
    spread = rules.spread(*where)
    if base is None or head is None or same or spread is None or direction == "none" or ground.why_not:
        return draft
    from pawl.compare.statistics.differences import seed_only, with_seed_noise

    sd, seeds = spread
    if ground.difference is not None:
        widened = with_seed_noise(ground.difference, sd, seeds)
    else:
        widened = seed_only(where[1], direction, base, head, sd, seeds)
    return replace(draft, ground=Ground(widened), seed_sd=sd)


def _direction(key: str, rule: MetricRule, ground: Ground) -> tuple[Direction, bool]:
    """Which way is better, and whether that is a guess from the name."""
    if rule.direction is not None:
        return rule.direction, False
    if ground.difference is not None:
        from pawl.compare.statistics.names import is_known

        if is_known(ground.difference.name):
            return ground.difference.direction, False
    return guess_direction(key), True


def _corrected(drafts: list[_Draft]) -> list[_Draft]:
    """The drafts with their p-values corrected: all primary metrics together, and the others of each file."""
    families: dict[str, list[int]] = {}
    for at, draft in enumerate(drafts):
        if draft.ground.difference is not None and not draft.same and draft.direction != "none":
            families.setdefault("" if draft.rule.primary else draft.where[0], []).append(at)
    result = list(drafts)
    for members in families.values():
        from pawl.compare.statistics.differences import holm

        corrected = holm([d.p_value for at in members if (d := drafts[at].ground.difference)])
        for at, p_value in zip(members, corrected, strict=True):
            result[at] = replace(drafts[at], p_corrected=p_value, corrected_for=len(members))
    return result


def _judged(name: str, draft: _Draft) -> MetricComparison:
    base, head = draft.sides
    interval = draft.ground.difference
    difference = head.value - base.value if head.value is not None and base.value is not None else None
    if interval is not None:
        difference = interval.difference
    verdict, reason, why_not = _verdict(draft, difference)
    return MetricComparison(
        name=name,
        path=draft.where[0],
        key=draft.where[1],
        base=base.value if interval is None else interval.base,
        head=head.value if interval is None else interval.head,
        base_state=base.state,
        head_state=head.state,
        difference=difference,
        lower=interval.lower if interval else None,
        upper=interval.upper if interval else None,
        method=interval.method if interval else "",
        p_value=interval.p_value if interval else None,
        p_corrected=draft.p_corrected,
        detectable=interval.detectable if interval else None,
        seed_sd=draft.seed_sd,
        examples=(interval.examples or None) if interval else None,
        groups=interval.groups if interval else None,
        direction=draft.direction,
        direction_guessed=draft.direction_guessed,
        tolerance=draft.rule.tolerance or 0.0,
        non_inferiority=draft.rule.non_inferiority,
        primary=draft.rule.primary,
        verdict=verdict,
        why_not=why_not,
        reason=reason,
    )


def _verdict(draft: _Draft, difference: float | None) -> tuple[MetricVerdict, str, WhyNot | None]:
    base, head = draft.sides
    if difference is None:
        if base.state == "missing" and head.state == "ok":
            return "not comparable", "new: base has no such metric", "no value"
        who, what = ("head", head) if head.state != "ok" else ("base", base)
        return "not comparable", f"on {who} it {_STATE_WORDS[what.state]}", "no value"
    if draft.same:
        return "no measurable change", "the same code, parameters and data on both sides", None
    if draft.direction == "none":
        return "no measurable change", "only described: no direction is set for it", None
    if draft.ground.why_not:
        return "not comparable", draft.ground.reason, draft.ground.why_not
    if draft.ground.difference is not None and draft.p_corrected is not None:
        return *_by_interval(draft, draft.ground.difference, draft.p_corrected), None
    return _by_numbers(draft, difference)


def _by_interval(draft: _Draft, found: Difference, p_corrected: float) -> tuple[MetricVerdict, str]:
    tolerance = draft.rule.tolerance or 0.0
    if tolerance and -tolerance <= found.lower and found.upper <= tolerance:
        return "no measurable change", f"shown to be within the tolerance of {tolerance:g}"
    if (found.lower > 0 or found.upper < 0) and p_corrected < LEVEL:
        improved = (found.difference > 0) == (draft.direction == "higher")
        return ("better" if improved else "worse"), f"the interval excludes 0, p = {_p(p_corrected)}"
    if found.lower > 0 or found.upper < 0:
        return "no measurable change", (
            f"p = {_p(found.p_value)} is {_p(p_corrected)} after correction for {draft.corrected_for} metrics"
        )
    return "no measurable change", f"a true difference below {found.detectable:.2g} would mostly go unseen here"


def _by_numbers(draft: _Draft, difference: float) -> tuple[MetricVerdict, str, WhyNot | None]:
    """Without anything that measures luck."""
    tolerance = draft.rule.tolerance
    if difference == 0:
        return "no measurable change", "equal", None
    if tolerance is None:
        return (
            "not comparable",
            "no predictions to pair and no spread between seeds tell luck from progress",
            "nothing to pair",
        )
    # Two decimal numbers a tolerance apart differ by a hair more or less than it in binary.
    if abs(difference) <= tolerance * (1 + 1e-9):
        return "no measurable change", f"within the tolerance of {tolerance:g}; luck is not measured", None
    improved = (difference > 0) == (draft.direction == "higher")
    reason = f"beyond the tolerance of {tolerance:g}; luck is not measured"
    return ("better" if improved else "worse"), reason, None


def _p(value: float) -> str:
    return f"{value:.2g}" if value >= 1e-4 else "0.0001 or less"

"""The difference between base and head in every metric, with what chance in the choice of test examples makes of it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pawl.compare.statistics.intervals import Measurement, t_interval
from pawl.compare.statistics.measurement import measure
from pawl.compare.statistics.names import Direction, default_primary, direction_of, metric_names
from pawl.compare.statistics.pairing import Pair

__all__ = [
    "Difference", "McNemar", "compare_pairs", "default_primary", "holm", "mcnemar", "metric_names", "seed_only",
    "with_seed_noise",
]  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """Head's value of a metric against base's, on the same test examples."""

    name: str
    """As `names.canonical` has it."""
    direction: Direction
    """Which way is better."""
    base: float
    head: float
    difference: float
    """Head less base, in the metric's own unit."""
    standard_error: float
    degrees_of_freedom: float
    lower: float
    """The 95 % interval."""
    upper: float
    p_value: float
    """Two-sided; below 0.05 exactly where 0 lies outside of the interval."""
    detectable: float
    """The smallest true difference that such a test set shows with a probability of 0.8."""
    method: str
    examples: int
    groups: int | None


@dataclass(frozen=True)
class McNemar:
    """The examples that one side alone has right, and how likely so uneven a share is by chance."""

    only_base_right: int
    only_head_right: int
    p_value: float
    """Exact, two-sided."""


def mcnemar(pair: Pair) -> McNemar | None:
    """McNemar's exact test of a classification, or of whole sets of labels; None of other kinds.

    McNemar 1947, https://doi.org/10.1007/BF02295996.
    """
    import numpy as np
    from scipy.special import bdtr

    base, head = pair.base, pair.head
    if base.kind not in ("classification", "multi-label"):
        return None
    right = [np.asarray(side.predictions == side.targets).reshape(len(pair), -1).all(axis=1) for side in (base, head)]
    only_base, only_head = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    fewer = min(only_base, only_head)
    return McNemar(only_base, only_head, min(1.0, 2 * float(bdtr(fewer, only_base + only_head, 0.5))))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for there being several, in the order given. Holm 1979, https://www.jstor.org/stable/4615733.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = largest
    return corrected


def compare_pairs(
    pair: Pair, names: Collection[str] | None = None, *, resamples: int = 2_000, seed: int = 0
) -> tuple[Difference, ...]:
    """The difference in each metric of `names` (canonical; all that both sides give, where None), in that order.

    Metrics that the predictions do not give are left out, and so is everything where there are fewer than two examples
    or groups: nothing can be said of chance then. Equal inputs and seeds give equal results.
    """
    import numpy as np

    wanted = names if names is not None else [n for n in metric_names(pair.base) if n in metric_names(pair.head)]
    groups = pair.head.groups if pair.head.groups is not None else pair.base.groups
    if groups is not None:
        groups = np.unique(groups, return_inverse=True)[1]
        if groups.max() + 1 == len(groups):
            groups = None
    if len(pair) < 2 or (groups is not None and not groups.any()):
        return ()
    measured = measure(pair, groups, tuple(dict.fromkeys(wanted)), resamples, seed)
    return tuple(
        _difference(name, one, None if groups is None else int(groups.max()) + 1)
        for name in dict.fromkeys(wanted)
        if (one := measured.get(name)) is not None
    )


def with_seed_noise(difference: Difference, base_sd: float, seeds: int) -> Difference:
    """The same, with the luck of both sides' seeds: each side was trained once.

    base_sd: the standard deviation of the metric over `seeds` trainings of base, at least 2. The degrees of freedom are
    Welch and Satterthwaite's. Raises ValueError for fewer seeds, or a spread that is no number from 0.
    """
    _check_seeds(base_sd, seeds)
    by_test, by_seed = difference.standard_error**2, 2 * base_sd**2
    if not by_seed:
        return difference
    freedom = (by_test + by_seed) ** 2 / (by_test**2 / difference.degrees_of_freedom + by_seed**2 / (seeds - 1))
    interval = t_interval((difference.lower + difference.upper) / 2, math.sqrt(by_test + by_seed), freedom)
    method = f"{difference.method}, and the spread of {seeds} seeds"
    wider = dataclasses.replace(difference, **dataclasses.asdict(interval), method=method)
    # A method for few or discordant examples can be wider than t times its standard error: more luck never narrows it.
    return dataclasses.replace(
        wider,
        lower=min(wider.lower, difference.lower),
        upper=max(wider.upper, difference.upper),
        p_value=max(wider.p_value, difference.p_value),
        detectable=max(wider.detectable, difference.detectable),
    )


def seed_only(name: str, direction: Direction, base: float, head: float, sd: float, seeds: int) -> Difference:
    """A difference without predictions, against the spread `sd` of the metric over `seeds` trainings of base.

    Which examples the test set happens to have is not in it. Raises ValueError as `with_seed_noise` does.
    """
    _check_seeds(sd, seeds)
    interval = t_interval(head - base, math.sqrt(2) * sd, float(seeds - 1))
    return Difference(
        name=name,
        direction=direction,
        base=base,
        head=head,
        difference=head - base,
        **dataclasses.asdict(interval),
        method=f"the spread of {seeds} seeds alone",
        examples=0,
        groups=None,
    )


def _check_seeds(sd: float, seeds: int) -> None:
    if seeds < 2 or not (math.isfinite(sd) and sd >= 0):
        raise ValueError(f"a spread of {sd} over {seeds} seeds is none")


def _difference(name: str, measured: Measurement, groups: int | None) -> Difference:
    return Difference(
        name=name,
        direction=direction_of(name),
        base=measured.base,
        head=measured.head,
        difference=measured.head - measured.base,
        **dataclasses.asdict(measured.interval),
        method=measured.method,
        examples=measured.examples,
        groups=groups,
    )

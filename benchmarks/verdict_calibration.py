"""Whether a verdict can be trusted: simulated pull requests of known effect, judged as real ones are.

False alarms at most 5 %, intervals that cover the truth in 93 to 97 % of draws, and what is found of real effects,
beside a plain comparison of two numbers.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import os
import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import binom

from benchmarks.pull_requests import Cell, Shape, simulate
from benchmarks.timing import Row
from pawl.compare.statistics.differences import compare_pairs

FALSE_ALARMS = 0.05
COVERAGE = (0.93, 0.97)
SCARCE = 30
"""Where the rarest class has fewer examples on average, counts are so small that intervals may cover more than 97 %."""
ALLOWANCE = 0.001
"""Chance that a benchmark without any fault fails, for each family of checks."""
RESAMPLES = 500
TRUTH_EXAMPLES = 300_000
DRAWS = {100: 400, 300: 400, 1_000: 400, 5_000: 200, 20_000: 100}
QUICK_DRAWS = {100: 100, 300: 100, 1_000: 60}


@dataclass(frozen=True)
class Outcome:
    """What came of a cell's D draws, for each of its M metrics."""

    cell: Cell
    names: tuple[str, ...]
    covered: np.ndarray
    """(D, M) whether the interval holds the true difference."""
    called: np.ndarray
    """(D, M) whether the verdict would be better or worse."""
    unequal: np.ndarray
    """(D, M) whether the plain numbers differ, which is all that a comparison of numbers asks."""
    found: np.ndarray
    """(D, M) whether the verdict is the right one of better and worse."""
    wrong: np.ndarray
    """(D, M) whether the plain numbers say the opposite of the truth."""


def rows(scratch: Path, *, quick: bool = False, seed: int | None = None) -> Sequence[Row]:
    """Print the tables; raise SystemExit(1) where the figures above do not hold."""
    seed = secrets.randbits(48) if seed is None else seed
    draws = QUICK_DRAWS if quick else DRAWS
    cells = list(_cells(tuple(draws)))
    print(f"benchmark: {len(cells)} kinds of test set, seed {seed} (--seed={seed} repeats this)", flush=True)
    jobs = [(cell, draws[cell.examples], (seed, number)) for number, cell in enumerate(cells)]
    # The longest first, so that no process is left with one of them at the end.
    jobs.sort(key=lambda job: -job[0].examples * max(job[0].classes, 1))
    with ProcessPoolExecutor(min(2, len(os.sched_getaffinity(0)))) as processes:
        outcomes = sorted(processes.map(_run, jobs, chunksize=1), key=lambda outcome: cells.index(outcome.cell))
    null = [outcome for outcome in outcomes if not outcome.cell.effect]
    _print_null(null)
    _print_metrics(null, outcomes)
    _print_effects([outcome for outcome in outcomes if outcome.cell.effect])
    problems = _problems(null, outcomes)
    alarms = _mean([outcome.called.mean() for outcome in null])
    coverage = _mean([outcome.covered.mean() for outcome in outcomes])
    print(
        f"\nFalse alarms {alarms:.2%}, coverage {coverage:.2%}: {'; '.join(problems) or 'as it should be'}.", flush=True
    )
    if problems:
        raise SystemExit(1)
    plain = _mean([outcome.unequal.mean() for outcome in null])
    return [
        ("verdicts on models of equal quality: false alarms", f"{alarms:.1%}", f"{plain:.0%}: plain numbers", "", "5 %")
    ]


def _cells(sizes: Sequence[int]) -> Iterator[Cell]:
    shapes: tuple[Shape, ...] = ("balanced", "long tail")
    kinds: list[tuple[int, Shape]] = [*itertools.product((2, 3, 10), shapes), (0, "numbers")]
    for (classes, shape), examples, groups in itertools.product(kinds, sizes, (0, 30, 100)):
        if groups < examples:
            yield Cell(examples, classes, shape, groups, 0.0)
    for (classes, shape), examples, effect in itertools.product(kinds, sizes, (0.1, 0.3)):
        if 100 < examples < 20_000:
            yield Cell(examples, classes, shape, 0, effect)


def _run(job: tuple[Cell, int, tuple[int, int]]) -> Outcome:
    cell, draws, seeds = job
    truth = dict.fromkeys(cell.metrics, 0.0)
    if cell.effect:
        large = dataclasses.replace(cell, examples=TRUTH_EXAMPLES)
        found = compare_pairs(simulate(large, np.random.default_rng((*seeds, 1))), cell.metrics, resamples=2)
        truth = {one.name: one.difference for one in found}
    random = np.random.default_rng(seeds)
    results: dict[str, list[tuple[float, ...]]] = {name: [] for name in cell.metrics}
    for _ in range(draws):
        chosen = int(random.integers(2**31))
        for one in compare_pairs(simulate(cell, random), cell.metrics, resamples=RESAMPLES, seed=chosen):
            results[one.name].append((one.lower, one.upper, one.p_value, one.difference))
    # A draw without an example of the rarest class has no recall of it.
    fewest = min(len(values) for values in results.values())
    table = np.array([results[name][:fewest] for name in cell.metrics])
    lower, upper, p_value, difference = table.transpose(2, 1, 0)
    true = np.array([truth[name] for name in cell.metrics])
    if cell.effect and "calibration_error" in truth:
        # The interval is of what test sets of this size show: chance makes calibration errors larger.
        place = cell.metrics.index("calibration_error")
        true[place] = difference[:, place].mean()
    called = p_value < 0.05
    assert (called == ((lower > 0) | (upper < 0))).all()
    return Outcome(
        cell,
        tuple(name.partition(":")[0] for name in cell.metrics),
        (lower <= true) & (true <= upper),
        called,
        difference != 0,
        called & (np.sign(difference) == np.sign(true)),
        (np.sign(difference) == -np.sign(true)) & (true != 0),
    )


def _problems(null: Sequence[Outcome], outcomes: Sequence[Outcome]) -> list[str]:
    """What does not hold, beyond what chance makes of so many draws."""
    problems = []
    # Metrics of one draw are about one thing, so a draw is the unit.
    by_draw = np.concatenate([outcome.called.mean(axis=1) for outcome in null])
    if by_draw.mean() > FALSE_ALARMS + _beyond(1) * by_draw.std() / math.sqrt(len(by_draw)):
        problems.append(f"{by_draw.mean():.2%} false alarms in all")
    for outcome in null:
        each = outcome.called.mean(axis=1)
        if each.mean() > FALSE_ALARMS + _beyond(len(null)) * each.std() / math.sqrt(len(each)):
            problems.append(f"{each.mean():.1%} false alarms in {_name(outcome.cell)}")
    checks = sum(len(outcome.names) for outcome in outcomes)
    for outcome in outcomes:
        draws = len(outcome.covered)
        for name, covered in zip(outcome.names, outcome.covered.sum(axis=0), strict=True):
            low = binom.cdf(covered, draws, COVERAGE[0]) < ALLOWANCE / checks
            high = outcome.cell.rarest >= SCARCE and binom.sf(covered - 1, draws, COVERAGE[1]) < ALLOWANCE / checks
            if low or (high and name != "calibration_error"):
                problems.append(f"{name} covered in {covered / draws:.1%} of {_name(outcome.cell)}")
    for name, coverage, error in _by_metric(outcomes):
        if coverage < COVERAGE[0] - _beyond(20) * error:
            problems.append(f"{name} covered in {coverage:.2%} of all draws")
    return problems


def _by_metric(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, float, float]]:
    """Each metric's coverage over all cells that have it, and its standard error."""
    for name in dict.fromkeys(name for outcome in outcomes for name in outcome.names):
        covered = np.concatenate(
            [outcome.covered[:, outcome.names.index(name)] for outcome in outcomes if name in outcome.names]
        )
        yield name, float(covered.mean()), float(covered.std() / math.sqrt(len(covered)))


def _print_null(null: Sequence[Outcome]) -> None:
    print("\n| two equal models: test set | draws | false alarms: first metric | mean of all | covered: least | most |")
    print("|---|---|---|---|---|---|")
    for outcome in null:
        coverage = outcome.covered.mean(axis=0)
        least, most = int(coverage.argmin()), int(coverage.argmax())
        print(
            f"| {_name(outcome.cell)} | {len(outcome.covered)} | {outcome.called[:, 0].mean():.1%} | "
            f"{outcome.called.mean():.1%} | {coverage[least]:.1%} {outcome.names[least]} | "
            f"{coverage[most]:.1%} {outcome.names[most]} |"
        )


def _print_metrics(null: Sequence[Outcome], outcomes: Sequence[Outcome]) -> None:
    print("\n| metric | false alarms | covered |\n|---|---|---|")
    without = {name: 1 - covered for name, covered, _ in _by_metric(null)}
    for name, covered, error in _by_metric(outcomes):
        print(f"| {name} | {without[name]:.2%} | {covered:.2%} ± {2 * error:.2%} |")


def _print_effects(effects: Sequence[Outcome]) -> None:
    print("\n| head is better: test set | effect | covered | found: first metric | mean of all | plain numbers wrong |")
    print("|---|---|---|---|---|---|")
    for outcome in effects:
        print(
            f"| {_name(outcome.cell)} | {outcome.cell.effect} | {outcome.covered.mean():.1%} | "
            f"{outcome.found[:, 0].mean():.0%} | {outcome.found.mean():.0%} | {outcome.wrong[:, 0].mean():.0%} |"
        )


def _name(cell: Cell) -> str:
    kind = "numbers" if cell.shape == "numbers" else f"{cell.classes} classes, {cell.shape}"
    return f"{cell.examples:,} examples, {kind}" + (f", {cell.groups} groups" if cell.groups else "")


def _beyond(checks: int) -> float:
    """How many standard errors one of so many checks may be off."""
    from scipy.stats import norm

    return float(norm.isf(ALLOWANCE / checks))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)

"""The pieces that example runs are made of: revisions, metrics, histories, matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pawl import schema as s

BASE = s.Revision(commit="4f1c2a9d0b7e6358c1a4f0e9d8b7a6c5e4f3d2a1", name="main", subject="Take the larger kernel")
HEAD = s.Revision(
    commit="9b03e7c4d5a6f18273645546372819fa0b1c2d3e", name="faster-digits", subject="Raise the learning rate"
)
MACHINE = s.Machine(
    device="NVIDIA L4",
    cpu_count=8,
    memory_bytes=33_600_000_000,
    python="3.11.9",
    platform="Linux-6.1-x86_64",
    packages={"torch": "2.13.0"},
    environment_digest="0" * 64,
)
DIGIT_LABELS = tuple(str(digit) for digit in range(10))


def measured(value: float | None, state: Any = None) -> s.Measured:
    return s.Measured(value=value, state=state or ("missing" if value is None else "ok"))


def metric(
    name: str,
    base: float | s.Measured,
    head: float | s.Measured,
    *,
    verdict: s.MetricVerdict,
    tolerance: float = 0.005,
    direction: Any = "higher",
    primary: bool = False,
    guessed: bool = False,
    reason: str = "",
) -> s.MetricComparison:
    before = base if isinstance(base, s.Measured) else measured(base)
    after = head if isinstance(head, s.Measured) else measured(head)
    difference = None if before.value is None or after.value is None else after.value - before.value
    task, _, key = name.partition(" ")
    return s.MetricComparison(
        name=name,
        path=f"results/{task[:1_900]}/metrics.json",
        key=key or name,
        base=before,
        head=after,
        difference=difference,
        direction=direction,
        direction_guessed=guessed,
        tolerance=tolerance,
        primary=primary,
        verdict=verdict,
        reason=reason,
    )


def history(start: float, end: float, epochs: int, wobble: float = 0.0, rate: float = 4.0) -> s.Series:
    values = [
        end + (start - end) * math.exp(-rate * i / epochs) + wobble * math.sin(3.1 * i) * math.exp(-i / epochs)
        for i in range(epochs)
    ]
    return s.Series(steps=tuple(float(i) for i in range(epochs)), values=tuple(values))


def digit_curves() -> tuple[s.Curve, ...]:
    path = "results/digits/history"
    return (
        s.Curve(
            name="train/loss",
            group="digits",
            path=path,
            base=history(2.3, 0.11, 20),
            head=history(2.2, 0.03, 20, 0.02, 6),
        ),
        s.Curve(
            name="val/loss",
            group="digits",
            path=path,
            base=history(2.2, 0.17, 20),
            head=history(2.1, 0.09, 20, 0.05, 6),
        ),
        s.Curve(
            name="val/accuracy",
            group="digits",
            path=path,
            base=history(0.3, 0.972, 20),
            head=history(0.4, 0.986, 20, 0.01, 6),
        ),
        s.Curve(
            name="learning_rate", group="digits", path=path, base=history(0.001, 0.0, 20), head=history(0.01, 0.0, 20)
        ),
    )


def square(labels: Sequence[str], per_class: int, mistakes: dict[tuple[int, int], int]) -> tuple[tuple[int, ...], ...]:
    counts = [[0] * len(labels) for _ in labels]
    for i in range(len(labels)):
        counts[i][i] = per_class - sum(n for (true, _), n in mistakes.items() if true == i)
    for (true, predicted), n in mistakes.items():
        counts[true][predicted] = n
    return tuple(tuple(row) for row in counts)


def digit_confusion() -> s.Confusion:
    return s.Confusion(
        name="digits",
        path="results/digits/confusion.csv",
        labels=DIGIT_LABELS,
        base=square(DIGIT_LABELS, 36, {(8, 1): 3, (9, 3): 2, (3, 9): 2, (4, 7): 1, (1, 8): 1, (5, 9): 1}),
        head=square(DIGIT_LABELS, 36, {(8, 1): 2, (9, 3): 1, (3, 9): 1, (1, 8): 1}),
    )


def result(name: str, side: s.Side, outcome: Any, seconds: float | None = None, **more: Any) -> s.StageResult:
    return s.StageResult(name=name, side=side, outcome=outcome, seconds=seconds, stage_key="b" * 64, **more)

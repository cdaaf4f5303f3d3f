"""The pieces that example runs are made of: revisions, metrics, histories, matrices."""

from __future__ import annotations

import base64
import math
import struct
import zlib
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


def metric(
    name: str,
    base: float | s.MetricState,
    head: float | s.MetricState,
    *,
    verdict: s.MetricVerdict,
    tolerance: float = 0.005,
    direction: Any = "higher",
    primary: bool = False,
    guessed: bool = False,
    reason: str = "",
    interval: tuple[float, float] | None = None,
    **more: Any,
) -> s.MetricComparison:
    """A metric on both sides; a side without a number is the word for why."""
    before, after = (None if isinstance(side, str) else side for side in (base, head))
    difference = None if before is None or after is None else after - before
    task, _, key = name.partition(" ")
    return s.MetricComparison(
        name=name,
        path=f"results/{task[:1_900]}/metrics.json",
        key=key or name,
        base=before,
        head=after,
        base_state="ok" if not isinstance(base, str) else base,
        head_state="ok" if not isinstance(head, str) else head,
        difference=difference,
        direction=direction,
        direction_guessed=guessed,
        tolerance=tolerance,
        primary=primary,
        verdict=verdict,
        reason=reason,
        lower=interval[0] if interval else None,
        upper=interval[1] if interval else None,
        **more,
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


def paired(examples: int = 360, **more: Any) -> dict[str, Any]:
    """What a metric has beside its interval where predictions were paired."""
    return {"examples": examples, "method": "bootstrap of 2,000 tables", "detectable": 0.021, **more}


def png(shade: int, size: int = 8) -> str:
    """A square greyscale PNG in base64: a bright bar on a darker ground."""
    rows = b"".join(b"\0" + bytes(255 if abs(x - y) < 2 else shade for x in range(size)) for y in range(size))

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0)
    whole = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return base64.b64encode(whole).decode()


def flip(number: int, kind: Any, target: str, other: str, confidence: float = 0.8) -> s.Flip:
    base, head = (target, other) if kind == "broken" else (other, target)
    return s.Flip(
        id=f"digits/{number:04d}",
        kind=kind,
        target=target,
        base=base,
        head=head,
        base_confidence=confidence - 0.1,
        head_confidence=confidence,
        thumbnail=png(20 * (number % 8)),
    )


def part(
    column: str, value: str, base: float, head: float, verdict: s.MetricVerdict, examples: int = 90
) -> s.SliceComparison:
    return s.SliceComparison(
        column=column,
        value=value,
        examples=examples,
        metric="accuracy",
        base=base,
        head=head,
        difference=head - base,
        lower=head - base - 0.05,
        upper=head - base + 0.05,
        p_corrected=0.004 if verdict == "worse" else 0.7,
        verdict=verdict,
    )


def bins(slack: float) -> tuple[s.ReliabilityBin, ...]:
    return tuple(
        s.ReliabilityBin(confidence=c, share_right=max(0.0, min(1.0, c - slack)), examples=n)
        for c, n in ((0.45, 6), (0.55, 11), (0.65, 14), (0.75, 19), (0.85, 42), (0.97, 268))
    )


def digit_evidence(**changes: Any) -> s.Evidence:
    """Eleven broken and two fixed predictions, a slice that is worse, and worse calibration."""
    pairs = ((8, 1), (8, 3), (9, 4), (8, 1), (3, 5), (9, 7), (8, 9), (5, 3), (8, 1), (1, 7), (9, 4))
    shown = [flip(100 + i, "broken", str(t), str(o), 0.99 - 0.03 * i) for i, (t, o) in enumerate(pairs)]
    shown += [flip(300 + i, "fixed", str(t), str(o), 0.9 - 0.1 * i) for i, (t, o) in enumerate(((3, 9), (9, 3)))]
    counted = [(label, 36, sum(t == int(label) for t, _ in pairs), int(label in "39")) for label in DIGIT_LABELS]
    fields: dict[str, Any] = {
        "name": "digits",
        "path": "results/digits/predictions.parquet",
        "kind": "classification",
        "paired": 360,
        "mcnemar": s.McNemarTest(only_base_right=11, only_head_right=2, p_value=0.0225),
        "flips": s.Flips(
            broken=11,
            fixed=2,
            per_label=tuple(s.FlipCount(label=n, examples=e, broken=b, fixed=f) for n, e, b, f in counted),
            shown=tuple(shown),
        ),
        "slices": (
            part("pen", "thick", 0.967, 0.844, "worse"),
            part("pen", "thin", 0.970, 0.966, "no measurable change", 180),
            part("writer", "left-handed", 0.978, 0.978, "no measurable change"),
        ),
        "reliability": s.Reliability(base=bins(0.02), head=bins(0.09)),
        "notes": ("The metrics file says 0.9417 for accuracy, the predictions give 0.9416.",),
    }
    return s.Evidence(**{**fields, **changes})


def digit_data(**changes: Any) -> s.DataDifference:
    """More training examples of some classes, and four that are in test as well."""

    def split(name: str, base: int, head: int, *, moved: int, p_value: float) -> s.SplitDifference:
        classes = tuple(
            s.ClassCount(label=label, base=base // 10, head=base // 10 + (moved if label in "38" else 0))
            for label in DIGIT_LABELS
        )
        return s.SplitDifference(
            split=name, base=base, head=head, classes=classes, test="chi-square", p_value=p_value, cramers_v=0.08
        )

    fields: dict[str, Any] = {
        "name": "digits",
        "path": "data/digits/manifest.parquet",
        "source": "manifest",
        "base_files": 1_797,
        "head_files": 2_005,
        "added": 208,
        "removed": 0,
        "changed": 3,
        "added_names": tuple(f"digits/{2_000 + i}.png" for i in range(5)),
        "changed_names": ("digits/0007.png", "digits/0011.png", "digits/0013.png"),
        "splits": (
            split("train", 1_150, 1_350, moved=100, p_value=0.0003),
            split("test", 360, 360, moved=0, p_value=1.0),
        ),
        "shifts": (
            s.Shift(what="mean intensity", base_mean=78.1, head_mean=91.4, distance=0.19, p_value=0.00002),
            s.Shift(what="width in pixels", base_mean=8.0, head_mean=8.0, distance=0.0, p_value=1.0),
        ),
        "findings": (
            s.Finding(kind="in two splits", side="head", count=4, names=("digits/2001.png", "digits/2002.png")),
            s.Finding(kind="same content, other label", side="between", count=1, names=("digits/0007.png",)),
        ),
    }
    return s.DataDifference(**{**fields, **changes})


def usage(seconds: float, **more: Any) -> s.Usage:
    return s.Usage(seconds=seconds, peak_memory_bytes=1_234_000_000, **more)


def origin(commit: str, seconds: float, **more: Any) -> s.Origin:
    return s.Origin(
        commit=commit,
        started_at="2026-11-02T10:11:12Z",
        device="NVIDIA L4",
        environment_digest="0" * 64,
        usage=usage(seconds, **more),
    )

"""Runs with everything that a page can show: intervals, data, flips with thumbnails, slices, reliability, costs."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

from pawl import schema as s

from .examples import Run, comparison, plan, stages, tracking
from .parts import metric

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def png(width: int = 8, height: int = 8, shade: int = 0) -> bytes:
    """A grey picture with a bright diagonal."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    rows = (bytes([0, *(255 if x == y else shade for x in range(width))]) for y in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"".join(rows)))
        + chunk(b"IEND", b"")
    )


def thumbnail(width: int = 8, height: int = 8, shade: int = 40) -> str:
    return base64.b64encode(png(width, height, shade)).decode()


def flip(number: int, kind: Any, target: str, wrong: str, confidence: float | None, **more: Any) -> s.Flip:
    right = None if confidence is None else 0.6
    broken = kind == "broken"
    fields: dict[str, Any] = {
        "id": f"digit-{number:04d}",
        "kind": kind,
        "target": target,
        "base": target if broken else wrong,
        "head": wrong if broken else target,
        "base_confidence": right if broken else confidence,
        "head_confidence": confidence if broken else right,
        "thumbnail": thumbnail(shade=number % 200),
    }
    return s.Flip(**{**fields, **more})


def flips() -> s.Flips:
    shown = (
        flip(17, "broken", "8", "1", 0.97),
        flip(203, "broken", "8", "1", 0.91),
        flip(44, "broken", "9", "3", 0.88),
        flip(310, "broken", "8", "3", 0.62),
        flip(5, "broken", "3", "9", None, thumbnail=None, group="writer-12"),
        flip(90, "fixed", "9", "3", 0.83),
        flip(121, "fixed", "4", "7", 0.55),
    )
    per_label = (
        s.FlipCount(label="8", examples=36, broken=3, fixed=0),
        s.FlipCount(label="9", examples=36, broken=1, fixed=1),
        s.FlipCount(label="3", examples=37, broken=1, fixed=0),
        s.FlipCount(label="4", examples=36, broken=0, fixed=1),
        s.FlipCount(label="10", examples=120, broken=0, fixed=0),
    )
    return s.Flips(broken=5, fixed=2, per_label=per_label, shown=shown)


def part(
    value: str, difference: float, half: float, verdict: Any, examples: int, column: str = "ink"
) -> s.SliceComparison:
    return s.SliceComparison(
        column=column,
        value=value,
        examples=examples,
        metric="accuracy",
        base=0.96,
        head=0.96 + difference,
        difference=difference,
        lower=difference - half,
        upper=difference + half,
        p_corrected=0.004 if verdict != "no measurable change" else 1.0,
        verdict=verdict,
    )


def reliability() -> s.Reliability:
    def bins(lean: float) -> tuple[s.ReliabilityBin, ...]:
        return tuple(
            s.ReliabilityBin(
                confidence=0.35 + 0.15 * i, share_right=min(1.0, 0.3 + 0.15 * i + lean), examples=20 + 60 * i
            )
            for i in range(5)
        )

    return s.Reliability(base=bins(0.05), head=bins(-0.06))


def evidence(**changes: Any) -> s.Evidence:
    fields: dict[str, Any] = {
        "name": "digits",
        "path": "results/digits/predictions.parquet",
        "kind": "classification",
        "paired": 360,
        "groups": 43,
        "base_only": 2,
        "mcnemar": s.McNemarTest(only_base_right=11, only_head_right=2, p_value=0.0225),
        "flips": flips(),
        "slices": (
            part("thin", -0.083, 0.04, "worse", 84),
            part("thick", -0.01, 0.02, "no measurable change", 160),
            part("medium", 0.021, 0.015, "better", 116),
        ),
        "reliability": reliability(),
        "notes": ("metrics.json says 0.9712 where the predictions give 0.9722.",),
    }
    return s.Evidence(**{**fields, **changes})


def data(**changes: Any) -> s.DataDifference:
    classes = tuple(
        s.ClassCount(label=str(digit), base=143 + digit, head=143 + digit + (60 if digit == 8 else 0))
        for digit in range(10)
    )
    fields: dict[str, Any] = {
        "name": "digits",
        "path": "data/digits/manifest.parquet",
        "source": "manifest",
        "base_files": 1797,
        "head_files": 1857,
        "added": 62,
        "removed": 2,
        "changed": 1,
        "added_names": ("scan-0001.png", "scan-0002.png"),
        "removed_names": ("blot-17.png", "blot-18.png"),
        "changed_names": ("digit-0301.png",),
        "splits": (
            s.SplitDifference(
                split="train",
                base=1437,
                head=1497,
                classes=classes,
                test="chi-square",
                p_value=0.00002,
                cramers_v=0.061,
            ),
            s.SplitDifference(split="test", base=360, head=360),
        ),
        "shifts": (s.Shift(what="mean intensity", base_mean=78.1, head_mean=81.4, distance=0.12, p_value=0.0031),),
        "findings": (
            s.Finding(kind="in two splits", side="head", count=3, names=("scan-0001.png", "scan-0002.png")),
            s.Finding(kind="same content, other label", side="between", count=1, names=("digit-0301.png",)),
        ),
    }
    return s.DataDifference(**{**fields, **changes})


def measured(name: str, base: float, head: float, half: float, verdict: Any, **more: Any) -> s.MetricComparison:
    """A metric with its interval, from 360 paired examples."""
    rest = {key: more.pop(key) for key in ("direction", "primary", "tolerance", "reason") if key in more}
    plain = metric(name, base, head, verdict=verdict, **rest)
    fields: dict[str, Any] = {
        "lower": head - base - half,
        "upper": head - base + half,
        "method": "paired bootstrap over groups",
        "p_value": 0.0041,
        "detectable": 0.021,
        "examples": 360,
        "groups": 43,
    }
    return plain.model_copy(update={**fields, **more})


def usage(seconds: float, **more: Any) -> s.Usage:
    return s.Usage(seconds=seconds, peak_memory_bytes=1_234_000_000, **more)


def rich_stages(**changes: Any) -> s.Stages:
    """A trained stage on a GPU, a restored one, and one of whose run there is no record."""
    origin = s.Origin(
        commit=COMMIT,
        started_at="2026-11-02T10:11:12Z",
        device="NVIDIA L4",
        environment_digest="e" * 64,
        usage=usage(612.6),
    )
    spent = usage(
        41.27, gpu_seconds=41.27, gpu_utilisation=0.71, gpu_peak_memory_bytes=3_100_000_000, energy_joules=2_412.0
    )
    results = []
    for result in stages().stages:
        update: dict[str, Any] = {"data_digest": "d" * 32, "origin": None, "usage": None, "seeds": {}}
        if result.name == "train@digits":
            update |= {"origin": origin, "seeds": {"params.yaml:digits.seed": "1729"}}
            update |= {"usage": spent} if result.outcome == "trained" else {}
        results.append(result.model_copy(update=update))
    return stages(stages=tuple(results), rate=s.Rate(per_hour=0.9, currency="USD"), **changes)


def rich(**changes: Any) -> Run:
    """Worse, with every kind of record."""
    metrics = (
        measured("digits accuracy", 0.9722, 0.9472, 0.016, "worse", primary=True, reason="lower by more than luck"),
        measured("digits loss", 0.1128, 0.1519, 0.031, "worse", direction="lower", tolerance=0.01, p_corrected=0.012),
        measured("digits macro_f1", 0.9720, 0.9705, 0.017, "no measurable change"),
        measured("tabular accuracy", 0.9561, 0.9737, 0.012, "better"),
        metric("digits test_examples", 360, 360, verdict="no measurable change", direction="none", tolerance=0),
    )
    fields: dict[str, Any] = {
        "verdict": "worse",
        "headline": "digits accuracy is worse",
        "gate_passed": False,
        "gate_reason": "digits accuracy is worse by 0.0250, beyond its tolerance of 0.005",
        "metrics": metrics,
        "evidence": (evidence(),),
        "data": (data(),),
        "rescored": ("evaluate@digits",),
    }
    return Run(plan(), rich_stages(), comparison(**{**fields, **changes}), tracking())

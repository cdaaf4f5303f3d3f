"""What two sides' predictions of the same examples say beyond one number: flips, slices, calibration."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pawl.schema.basics import Count, Strict, Text
from pawl.schema.words import MetricVerdict, WhyNot

MAX_LABELS_COUNTED = 100
MAX_FLIPS = 60
MAX_SLICES = 200
MAX_BINS = 50
Base64Png = Annotated[str, Field(max_length=24_000, pattern=r"^[A-Za-z0-9+/]+={0,2}$")]


class FlipCount(Strict):
    """How many of the examples of one class changed between right and wrong."""

    label: Text
    examples: Count
    broken: Count
    """Right on base, wrong on head."""
    fixed: Count


class Flip(Strict):
    """An example that one side has right and the other wrong."""

    id: Text
    kind: Literal["broken", "fixed"]
    target: Text
    base: Text
    """What base predicted."""
    head: Text
    base_confidence: float | None
    """Score of what was predicted; None where there are no scores."""
    head_confidence: float | None
    group: Text | None = None
    thumbnail: Base64Png | None = None


class Flips(Strict):
    """Every change between right and wrong, counted; the most confident ones shown."""

    broken: Count
    fixed: Count
    per_label: Annotated[tuple[FlipCount, ...], Field(max_length=MAX_LABELS_COUNTED)]
    shown: Annotated[tuple[Flip, ...], Field(max_length=MAX_FLIPS)]
    """Broken ones first, each kind by falling confidence of the side that is wrong."""


class McNemarTest(Strict):
    """McNemar's exact test of equal accuracy."""

    only_base_right: Count
    only_head_right: Count
    p_value: float


class SliceComparison(Strict):
    """A metric on the examples of one slice."""

    column: Text
    """Such as `age` for the column `slice:age`."""
    value: Text
    examples: Count
    metric: Text
    base: float
    head: float
    difference: float
    lower: float
    upper: float
    p_corrected: float
    """By Holm's method over all slices."""
    verdict: MetricVerdict


class ReliabilityBin(Strict):
    """Examples of like confidence."""

    confidence: float
    """Mean of the highest score."""
    share_right: float
    examples: Count


Bins = Annotated[tuple[ReliabilityBin, ...], Field(max_length=MAX_BINS)]


class Reliability(Strict):
    """How often each side is right when it is how sure."""

    base: Bins
    head: Bins


class Evidence(Strict):
    """One predictions file on both sides."""

    name: Text
    """Such as `digits`."""
    path: Text
    kind: Literal["classification", "multi-label", "regression", "values"]
    paired: Count
    """Examples that both sides have."""
    groups: int | None = None
    base_only: Count = 0
    head_only: Count = 0
    other_targets: Count = 0
    """Examples whose target differs between the sides."""
    why_not: WhyNot | None = None
    problem: Text = ""
    """Why nothing was paired, in a sentence."""
    mcnemar: McNemarTest | None = None
    flips: Flips | None = None
    slices: Annotated[tuple[SliceComparison, ...], Field(max_length=MAX_SLICES)] = ()
    """The worst first."""
    reliability: Reliability | None = None
    notes: Annotated[tuple[Text, ...], Field(max_length=20)] = ()
    """Such as that the metrics file has another value than the predictions give."""

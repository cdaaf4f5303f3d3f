"""`comparison.json`: the verdict and everything it rests on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pawl.schema.basics import Commit, Revision, Strict, Text
from pawl.schema.data import DataDifference
from pawl.schema.evidence import Evidence
from pawl.schema.words import Headline, MetricState, MetricVerdict, WhyNot

MAX_METRICS = 2_000
MAX_CHANGES = 5_000
MAX_CURVES = 200
MAX_CURVE_POINTS = 500
MAX_LABELS = 100
MAX_TASKS = 50


class MetricComparison(Strict):
    """One metric on both sides. Numbers are in the metric's own unit; intervals are of head - base, at 95 %."""

    name: Text
    """Short and unique among the metrics, such as `digits accuracy`."""
    path: Text
    key: Text
    base: float | None
    """A number exactly when `base_state` is "ok"; likewise for head."""
    head: float | None
    base_state: MetricState = "ok"
    head_state: MetricState = "ok"
    difference: float | None
    """head - base."""
    lower: float | None = None
    """Ends of the interval; None where nothing tells luck from progress."""
    upper: float | None = None
    method: Text = ""
    """What the interval rests on, such as "DeLong"; empty where there is none."""
    p_value: float | None = None
    """Two-sided, of no difference at all."""
    p_corrected: float | None = None
    """By Holm's method, over the metrics that are judged together."""
    detectable: float | None = None
    """The smallest true difference that would have been found with a probability of 0.8."""
    seed_sd: float | None = None
    """Standard deviation between seeds that the interval includes; None: the luck of the seed is not in it."""
    examples: int | None = None
    """That were paired, in `groups` groups where there are any."""
    groups: int | None = None
    direction: Literal["higher", "lower", "none"]
    """Which way is better; "none" is only described."""
    direction_guessed: bool
    tolerance: float
    """Absolute: a difference that is shown to be within it is no measurable change."""
    non_inferiority: bool = False
    """Whether the gate demands to be shown that a loss, if any, is smaller than the tolerance."""
    primary: bool
    verdict: MetricVerdict
    why_not: WhyNot | None = None
    """Exactly when the verdict is "not comparable"."""
    reason: Text


class ParamChange(Strict):
    """A parameter that differs; values as short JSON, None where the parameter is absent."""

    path: Text
    key: Text
    base: Text | None
    head: Text | None


Points = Annotated[tuple[float, ...], Field(max_length=MAX_CURVE_POINTS)]


class Series(Strict):
    """A training history: `values[i]` was measured at step `steps[i]`."""

    steps: Points
    values: Points


class Curve(Strict):
    """One metric over the steps of a training, on both sides."""

    name: Text
    """Such as `val/loss`."""
    group: Text
    """What was trained, such as `digits`; curves of one group belong together."""
    path: Text
    base: Series | None
    head: Series | None


class Confusion(Strict):
    """A confusion matrix on both sides: `counts[i][j]` examples of class `labels[i]` predicted as `labels[j]`."""

    name: Text
    path: Text
    labels: Annotated[tuple[Text, ...], Field(max_length=MAX_LABELS)]
    base: tuple[tuple[int, ...], ...] | None
    head: tuple[tuple[int, ...], ...] | None


class SeedNoise(Strict):
    """Where the spread between seeds comes from."""

    commit: Commit
    """What was trained with other seeds."""
    seeds: int


class Comparison(Strict):
    """`reports/comparison.json`: the verdict and everything it rests on."""

    schema_version: Literal[2] = 2
    base: Revision
    head: Revision
    overrides: Annotated[tuple[Text, ...], Field(max_length=200)] = ()
    started_from: Commit | None = None
    """As in the plan."""
    verdict: Headline
    """The worst of the primary metrics; "unchanged": no input of any result differs; "failed": head has no results."""
    headline: Text
    """The verdict in one plain sentence, without markup."""
    gate_passed: bool
    gate_reason: Text
    metrics: Annotated[tuple[MetricComparison, ...], Field(max_length=MAX_METRICS)]
    params: Annotated[tuple[ParamChange, ...], Field(max_length=MAX_CHANGES)]
    curves: Annotated[tuple[Curve, ...], Field(max_length=MAX_CURVES)] = ()
    confusions: Annotated[tuple[Confusion, ...], Field(max_length=50)] = ()
    evidence: Annotated[tuple[Evidence, ...], Field(max_length=MAX_TASKS)] = ()
    """What the predictions of both sides say beyond the metrics, one entry for each predictions file."""
    data: Annotated[tuple[DataDifference, ...], Field(max_length=MAX_TASKS)] = ()
    """How the data differ, one entry for each manifest or data folder that differs."""
    noise: SeedNoise | None = None
    """The spread between seeds that verdicts are widened by; None: seed luck is not included."""
    rescored: Annotated[tuple[Text, ...], Field(max_length=MAX_TASKS)] = ()
    """Stages that were run again with base's model on head's test set, to have something to compare with."""
    notes: Annotated[tuple[Text, ...], Field(max_length=100)] = ()


class PredictionsComparison(Strict):
    """What `pawl compare --base-predictions A --head-predictions B` prints: two files, no git and no DVC."""

    schema_version: Literal[2] = 2
    base_predictions: Text
    head_predictions: Text
    verdict: Headline
    headline: Text
    metrics: Annotated[tuple[MetricComparison, ...], Field(max_length=MAX_METRICS)]
    evidence: Annotated[tuple[Evidence, ...], Field(max_length=MAX_TASKS)] = ()

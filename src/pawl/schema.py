"""The JSON files between the steps, and the only things that cross a trust line.

Strict on purpose: unknown keys, wrong types, NaN, and texts or lists beyond their bounds are refused, because a
reader of these files may run with more rights than the machine that wrote them.
Seconds are wall-clock, memory is in bytes, times are ISO 8601 in UTC.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(max_length=2_000)]
LongText = Annotated[str, Field(max_length=20_000)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{32,64}$")]
Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
Side = Literal["base", "head"]

MAX_STAGES = 2_000
MAX_METRICS = 2_000
MAX_CHANGES = 5_000
MAX_CURVES = 200
MAX_CURVE_POINTS = 500
MAX_LABELS = 100


class Strict(BaseModel):
    """Base of every record: immutable, nothing unknown, nothing coerced, no NaN."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Revision(Strict):
    """A commit as people name it."""

    commit: Commit
    name: Text
    """Branch, tag or the words the user typed; not to be trusted, only shown."""
    subject: Text = ""


# ---- plan.json ----------------------------------------------------------------------------------------------------


class Cause(Strict):
    """One input of a stage that differs between base and head."""

    kind: Literal["code", "params", "data", "environment", "command", "upstream"]
    what: Text
    """A path, `file:dotted.key`, or the name of the stage upstream."""
    base: Text | None = None
    head: Text | None = None


StageAction = Literal["run", "restore", "unchanged"]


class StagePlan(Strict):
    """What will happen to one stage of head, and to the same stage of base."""

    name: Text
    action: StageAction
    base_action: StageAction | Literal["absent", "unneeded"]
    causes: Annotated[tuple[Cause, ...], Field(max_length=200)] = ()
    recipe_key: Digest | None
    """Digest of everything the stage's result follows from, down to the sources; None where DVC cannot key a stage."""
    stage_key: Digest | None
    """DVC's run-cache key; None while the results of a stage upstream are unknown."""
    note: Text = ""
    """Anything a person should know, such as why DVC cannot file the result under a key."""
    unproven: bool = False
    """Whether dvc.lock has an entry for these very inputs, of which no run is on record: it counts for nothing."""


class Plan(Strict):
    """`reports/plan.json`."""

    schema_version: Literal[1] = 1
    base: Revision
    head: Revision
    overrides: Annotated[tuple[Text, ...], Field(max_length=200)] = ()
    started_from: Commit | None = None
    """With overrides: the commit that they were set on; head is then a commit that only this machine has."""
    everything: bool = False
    """Whether every stage of head is needed, not only those that differ."""
    force: bool = False
    """Whether the needed stages of head run although their results are known."""
    stages: Annotated[tuple[StagePlan, ...], Field(max_length=MAX_STAGES)]
    removed_stages: Annotated[tuple[Text, ...], Field(max_length=MAX_STAGES)] = ()
    notes: Annotated[tuple[Text, ...], Field(max_length=100)] = ()


# ---- stages.json --------------------------------------------------------------------------------------------------


class StageResult(Strict):
    """What happened to one stage on one side."""

    name: Text
    side: Side
    outcome: Literal["trained", "restored", "unchanged", "failed", "skipped"]
    """`skipped`: a stage upstream failed."""
    present: bool = False
    """Whether the outputs lie in the side's checkout as the stage key has them."""
    stage_key: Digest | None = None
    recipe_key: Digest | None = None
    started_at: Text | None = None
    seconds: float | None = None
    peak_memory_bytes: int | None = None
    """Of the stage's largest single process."""
    exit_code: int | None = None
    log: Text | None = None
    """Path of the stage's output, relative to `reports/`."""
    log_tail: LongText = ""
    """The last lines that a failed stage printed."""
    note: Text = ""
    """Such as that the result is another than dvc.lock recorded."""


class Machine(Strict):
    """What the stages ran on."""

    device: Text
    """GPU names, or the processor's."""
    cpu_count: int
    memory_bytes: int
    python: Text
    platform: Text
    packages: Annotated[dict[Text, Text], Field(max_length=2_000)]
    environment_digest: Digest
    """Over `packages`, Python and platform."""


class Stages(Strict):
    """`reports/stages.json`."""

    schema_version: Literal[1] = 1
    base: Revision
    head: Revision
    machine: Machine
    stages: Annotated[tuple[StageResult, ...], Field(max_length=2 * MAX_STAGES)]
    seconds: float

    def failed(self, side: Side) -> tuple[StageResult, ...]:
        """The stages of `side` whose command failed."""
        return tuple(s for s in self.stages if s.side == side and s.outcome == "failed")


# ---- comparison.json ----------------------------------------------------------------------------------------------

MetricVerdict = Literal["better", "worse", "no measurable change", "not comparable"]


class Measured(Strict):
    """One metric's value on one side; `value` is a number exactly when `state` is "ok"."""

    value: float | None
    state: Literal["ok", "missing", "nan", "infinite", "not a number", "not run", "failed"]


class MetricComparison(Strict):
    """One metric on both sides."""

    name: Text
    """Short and unique among the metrics, such as `digits accuracy`."""
    path: Text
    key: Text
    base: Measured
    head: Measured
    difference: float | None
    """head - base, in the metric's own unit."""
    direction: Literal["higher", "lower", "none"]
    """Which way is better; "none" is only described."""
    direction_guessed: bool
    tolerance: float
    """Absolute, in the metric's own unit: differences up to it, that one included, are no measurable change."""
    primary: bool
    verdict: MetricVerdict
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


Headline = Literal["better", "worse", "no measurable change", "not comparable", "unchanged", "failed"]


class Comparison(Strict):
    """`reports/comparison.json`: the verdict and everything it rests on."""

    schema_version: Literal[1] = 1
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
    notes: Annotated[tuple[Text, ...], Field(max_length=100)] = ()


# ---- tracking.json ------------------------------------------------------------------------------------------------


class TrackedRun(Strict):
    """The MLflow run that holds one stage key's results."""

    stage: Text
    side: Side
    stage_key: Digest
    run_id: Text
    url: Text | None
    """Where a person can open it; None for a local database."""
    status: Literal["created", "linked"]


class Tracking(Strict):
    """`reports/tracking.json`."""

    schema_version: Literal[1] = 1
    status: Literal["logged", "off", "failed"]
    uri: Text = ""
    """Without user names or passwords."""
    experiment: Text = ""
    reason: Text = ""
    runs: Annotated[tuple[TrackedRun, ...], Field(max_length=2 * MAX_STAGES)] = ()

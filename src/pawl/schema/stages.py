"""`stages.json`: what happened to each stage on each side."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pawl.schema.basics import MAX_STAGES, Commit, Digest, LongText, Revision, Side, Strict, Text


class Usage(Strict):
    """What one run of a stage cost; None where nothing measured it."""

    seconds: float
    peak_memory_bytes: int | None = None
    """Of the stage's largest single process."""
    gpu_seconds: float | None = None
    """Seconds times the GPUs that it held."""
    gpu_utilisation: float | None = None
    """Mean share of the time in which a kernel ran, 0 to 1, over the GPUs that it held."""
    gpu_peak_memory_bytes: int | None = None
    """The most that was in use on one of them."""
    energy_joules: float | None = None
    """Of the GPUs, by their own counters."""


class Origin(Strict):
    """The run that made a result, as it was written down beside the result when it was made."""

    commit: Commit
    started_at: Text
    device: Text
    environment_digest: Digest
    usage: Usage


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
    usage: Usage | None = None
    """Of this run, where the stage's command ran in it, to its end or not."""
    origin: Origin | None = None
    """The run that trained the result, maybe this one; None where none is on record."""
    data_digest: Digest | None = None
    """Over the hashes of everything that the stage reads but code and parameters."""
    seeds: Annotated[dict[Text, Text], Field(default_factory=dict, max_length=20)]
    """The stage's parameters that are seeds, `file:key` and value."""


class Machine(Strict):
    """What the stages ran on."""

    device: Text
    """GPU names, or the processor's."""
    cpu_count: int
    memory_bytes: int
    python: Text
    platform: Text
    packages: Annotated[dict[Text, Text], Field(max_length=2_000)]
    driver: Text | None = None
    """Version of the GPUs' driver."""
    environment_digest: Digest
    """Over `packages`, Python, platform and driver."""


class Rate(Strict):
    """What an hour of the machine costs."""

    per_hour: float
    currency: Text


class Stages(Strict):
    """`reports/stages.json`."""

    schema_version: Literal[2] = 2
    base: Revision
    head: Revision
    machine: Machine
    stages: Annotated[tuple[StageResult, ...], Field(max_length=2 * MAX_STAGES)]
    rescored: Annotated[tuple[StageResult, ...], Field(max_length=MAX_STAGES)] = ()
    """Stages of head that were run again with base's model, each with `base` as its side."""
    seconds: float
    rate: Rate | None = None
    """As pawl.yaml has it."""

    def failed(self, side: Side) -> tuple[StageResult, ...]:
        """The stages of `side` whose command failed."""
        return tuple(s for s in self.stages if s.side == side and s.outcome == "failed")

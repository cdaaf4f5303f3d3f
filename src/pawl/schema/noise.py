"""`noise.json`: how far metrics lie apart when nothing but the seed differs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pawl.schema.basics import Commit, Digest, Strict, Text
from pawl.schema.comparison import MAX_METRICS

MAX_RUNS = 1_001


class NoiseRun(Strict):
    """One training of the same commit."""

    seeds: Annotated[dict[Text, int], Field(max_length=200)]
    """`file:key` of each parameter that is a seed, and the value that it had."""


class MetricSpread(Strict):
    """One metric over the runs, in the metric's own unit."""

    path: Text
    key: Text
    stage: Text
    """That wrote it."""
    recipe_key: Digest | None
    """Of that stage with the commit's own seeds; None where it has none."""
    values: Annotated[tuple[float | None, ...], Field(max_length=MAX_RUNS)]
    """In the order of the runs; None where a run has no finite value."""
    mean: float
    standard_deviation: float
    """Of the values, with count - 1 degrees of freedom."""
    count: int
    """Of the values that are there: 2 or more."""


class Noise(Strict):
    """`noise.json`: what `pawl noise` measured."""

    schema_version: Literal[1] = 1
    commit: Commit
    runs: Annotated[tuple[NoiseRun, ...], Field(max_length=MAX_RUNS)]
    """The first has the commit's own seeds."""
    metrics: Annotated[tuple[MetricSpread, ...], Field(max_length=MAX_METRICS)]

"""`promotion.json`: which models of a commit become what in the registry, and why; `champions.json`: what they meet."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pawl.schema.basics import Commit, Count, Digest, Revision, Strict, Text
from pawl.schema.words import MetricVerdict

MAX_MODELS = 200
MAX_METRICS_OF_MODEL = 500
VersionNumber = Annotated[int, Field(ge=1)]
Decision = Literal["champion", "candidate", "unchanged"]
"""Candidate and champion; candidate alone; or the champion already is this very package."""


class Champion(Strict):
    """The version that a model has to hold against."""

    version: VersionNumber
    commit: Commit
    package: Digest
    mark: Text
    """Of the promotion that made it champion."""


class AskedModel(Strict):
    """What the registry says of one model before anything is measured."""

    name: Text
    """In the registry."""
    path: Text
    """Of the package, relative to the project."""
    champion: Champion | None
    measurable: bool = True
    """Whether the champion's commit is in the history of what is promoted."""
    rolled_back: Annotated[tuple[Digest, ...], Field(max_length=10_000)] = ()
    """Packages that a person has taken back."""


class Champions(Strict):
    """`reports/promotion/champions.json`."""

    schema_version: Literal[1] = 1
    head: Commit
    models: Annotated[tuple[AskedModel, ...], Field(max_length=MAX_MODELS)]


class PromotedMetric(Strict):
    """One metric of a model, beside the champion's on the same test set."""

    name: Text
    path: Text
    key: Text
    base: float | None
    head: float | None
    verdict: MetricVerdict
    primary: bool
    told: Text
    """In a few words, with the interval where there is one."""


class PromotedModel(Strict):
    """What becomes of one model."""

    name: Text
    path: Text
    stage: Text
    """That makes the package."""
    package: Digest
    """As DVC has it."""
    stage_key: Digest | None
    data_digest: Digest | None
    """Of the data that the model was made from."""
    champion: Champion | None
    metrics: Annotated[tuple[PromotedMetric, ...], Field(max_length=MAX_METRICS_OF_MODEL)]
    decision: Decision
    why: Text
    version: VersionNumber | None = None
    """Once it is registered."""
    champion_now: VersionNumber | None = None
    """Likewise: the version that the alias champion names."""
    signed: bool = False


class Promotion(Strict):
    """`reports/promotion.json`."""

    schema_version: Literal[1] = 1
    head: Revision
    order: Count
    """How many commits main's first-parent history has up to this one."""
    pull_request: Count | None
    models: Annotated[tuple[PromotedModel, ...], Field(max_length=MAX_MODELS)]
    notes: Annotated[tuple[Text, ...], Field(max_length=100)] = ()

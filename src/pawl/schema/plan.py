"""`plan.json`: what would run, be restored or stay, and why."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pawl.schema.basics import MAX_STAGES, Commit, Digest, Revision, Strict, Text


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

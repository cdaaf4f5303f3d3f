"""`tracking.json`: the MLflow runs that hold the results."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pawl.schema.basics import MAX_STAGES, Digest, Side, Strict, Text


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

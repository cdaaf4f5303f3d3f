"""What every JSON file is made of.

Strict on purpose: unknown keys, wrong types, NaN, and texts or lists beyond their bounds are refused, because a
reader of these files may run with more rights than the machine that wrote them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(max_length=2_000)]
LongText = Annotated[str, Field(max_length=20_000)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{32,64}$")]
Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
Count = Annotated[int, Field(ge=0, le=10**15)]
Side = Literal["base", "head"]

MAX_STAGES = 2_000


class Strict(BaseModel):
    """Base of every record: immutable, nothing unknown, nothing coerced, no NaN."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Revision(Strict):
    """A commit as people name it."""

    commit: Commit
    name: Text
    """Branch, tag or the words the user typed; not to be trusted, only shown."""
    subject: Text = ""

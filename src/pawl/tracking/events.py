"""What the spool holds: one event a line, each complete in itself, so that it can be delivered twice and count once."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from pawl.schema.basics import Strict

MAX_LINE_BYTES = 4_000_000
MAX_POINTS = 1_000
_MAX_NAMES = 10_000
Id = Annotated[str, Field(pattern=r"^[0-9A-Za-z_.-]{1,100}$")]
Name = Annotated[str, Field(min_length=1, max_length=250)]
Value = Annotated[str, Field(max_length=6_000)]
Key = Annotated[str, Field(max_length=200)]
Milliseconds = Annotated[int, Field(ge=0, le=10**14)]
"""Since 1970, in UTC."""
Path = Annotated[str, Field(min_length=1, max_length=1_000)]
Ending = Literal["FINISHED", "FAILED", "KILLED"]
Point = tuple[Name, float, Annotated[int, Field(ge=-(2**63), lt=2**63)], Milliseconds]
"""Name, value, step, and when it was measured: the time makes a second delivery the same point to MLflow."""


class Begun(Strict):
    """A run begins: it is made, taken up again, or found to be known, in which case it is linked."""

    event: Literal["begun"] = "begun"
    run: Id
    name: Name
    kind: Literal["parent", "stage", "part"]
    parent: Id | None = None
    experiment: Name
    also: Name | None = None
    """Another experiment, in which the result may be known already."""
    key: Key | None = None
    """What the result is filed under: a stage's key; None: there is no second one."""
    forced: bool = False
    """Whether it is made although the result is known."""
    at_ms: Milliseconds
    tags: dict[Name, Value] = Field(default_factory=dict, max_length=100)


class Params(Strict):
    """Parameters of a run."""

    event: Literal["params"] = "params"
    run: Id
    values: Annotated[dict[Name, Value], Field(max_length=_MAX_NAMES)]


class Tags(Strict):
    """Tags of a run."""

    event: Literal["tags"] = "tags"
    run: Id
    values: Annotated[dict[Name, Value], Field(max_length=100)]


class Points(Strict):
    """Points of a run's metrics, system metrics among them."""

    event: Literal["points"] = "points"
    run: Id
    points: Annotated[tuple[Point, ...], Field(max_length=MAX_POINTS)]


class Dataset(Strict):
    """What a run reads; `source` is JSON that says where it can be had."""

    name: Annotated[str, Field(min_length=1, max_length=500)]
    digest: Annotated[str, Field(min_length=1, max_length=36)]
    source: Annotated[str, Field(max_length=5_000)]


class Inputs(Strict):
    """The data sets that a run reads."""

    event: Literal["inputs"] = "inputs"
    run: Id
    datasets: Annotated[tuple[Dataset, ...], Field(max_length=1_000)]


class Artifact(Strict):
    """A file that belongs to a run. It is sent only while it is what it was: `path` is absolute, or in the spool."""

    event: Literal["artifact"] = "artifact"
    run: Id
    path: Path
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    to: Path
    """Its path among the run's artifacts."""


class Ended(Strict):
    """A run's command has ended, or whoever ran it is gone."""

    event: Literal["ended"] = "ended"
    run: Id
    status: Ending
    at_ms: Milliseconds


class Complete(Strict):
    """All of a run's result is in the spool: what is found by its key from now on."""

    event: Literal["complete"] = "complete"
    run: Id
    key: Key
    forced: bool = False
    """As in Begun."""


class Closed(Strict):
    """Nothing more comes for now, and whoever delivers may stop; what comes all the same is for a later delivery."""

    event: Literal["closed"] = "closed"


Event = Begun | Params | Tags | Points | Inputs | Artifact | Ended | Complete | Closed
_EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="event")])


def line_of(event: Event) -> bytes:
    """The event as its line, with the line's end."""
    return event.model_dump_json().encode() + b"\n"


def parse_line(line: bytes) -> Event | None:
    """The event of a line; None for what is none, such as what a machine left that lost its power."""
    if len(line) > MAX_LINE_BYTES:
        return None
    try:
        return _EVENT.validate_json(line)
    except ValidationError:
        return None


def parse(data: bytes) -> tuple[list[tuple[Event, int]], int]:
    """The events in `data`, each with the offset of its end, and how many bytes of whole lines there are.

    A last line without an end is left for later; a whole line that is no event is passed over.
    """
    found: list[tuple[Event, int]] = []
    start = 0
    while (end := data.find(b"\n", start)) >= 0:
        event = parse_line(data[start:end])
        start = end + 1
        if event is not None:
            found.append((event, start))
    return found, start

"""What waits for a run, cut into as few requests as MLflow allows.

Source: MLflow's REST API, `runs/log-batch`: at most 1,000 metrics, 100 parameters and 100 tags, 1,000 of them together,
and 1 MB of JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from pawl.tracking.events import MAX_POINTS, Point

MAX_TOGETHER = 1_000
MAX_WORDS = 100
"""Parameters in one request, and tags."""
MAX_TEXT_BYTES = 250_000
"""Of a request's parameters as JSON, and of its tags: with 1,000 points of the longest names it is below 1 MB."""


@dataclass
class Waiting:
    """What is gathered for one run."""

    points: list[Point] = field(default_factory=list)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def is_full(self) -> bool:
        """Whether there are points for a request of their own."""
        return len(self.points) >= MAX_POINTS


def requests_of(waiting: Waiting) -> Iterator[Waiting]:
    """The requests that say all of it, in the order in which it came; none where nothing waits."""
    params, tags, points = _parts(waiting.params), _parts(waiting.tags), iter(waiting.points)
    while True:
        request = Waiting(params=next(params, {}), tags=next(tags, {}))
        request.points += islice(points, MAX_TOGETHER - len(request.params) - len(request.tags))
        if not (request.params or request.tags or request.points):
            return
        yield request


def _parts(texts: dict[str, str]) -> Iterator[dict[str, str]]:
    part: dict[str, str] = {}
    part_bytes = 0
    for name, text in texts.items():
        size = len(json.dumps(name)) + len(json.dumps(text))
        if part and (len(part) == MAX_WORDS or part_bytes + size > MAX_TEXT_BYTES):
            yield part
            part, part_bytes = {}, 0
        part[name] = text
        part_bytes += size
    if part:
        yield part

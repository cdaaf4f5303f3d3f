"""The cells of the fault matrix: every fault at every step that talks to the service, and the table they make."""

from __future__ import annotations

from dataclasses import dataclass

from tests.faults.proxy import Fault, Kind

KINDS: tuple[Kind, ...] = ("refuse", "hang", "reset", "cut", "500", "429", "slow", "trickle")


@dataclass(frozen=True)
class Place:
    """A step that talks to a service."""

    service: str
    title: str
    job: str
    step: str
    dispatched: bool = False
    path: str = ""
    """Which of its requests meet the fault."""


DECIDE, PLAN, PULL = "Decide who may do what", "Plan", "Pull"
PLACES = (
    Place("github", "decide, of a dispatch", "plan", DECIDE, dispatched=True),
    Place("github", "plan, of a dispatch", "plan", PLAN, dispatched=True),
    Place("github", "pull, of a dispatch", "train", PULL, dispatched=True),
    Place("github", "pictures", "report", "Pictures"),
    Place("github", "comment", "report", "Comment"),
    Place("bucket", "plan", "plan", PLAN),
    Place("bucket", "pull: what is there", "train", PULL),
    Place("bucket", "pull: the results", "train", PULL, path="^/download/.*files"),
    Place("mlflow", "track", "train", "Track"),
)


@dataclass(frozen=True)
class Cell:
    """One fault at one step, met by one request or by all."""

    place: Place
    kind: Kind
    lasting: bool

    @property
    def row(self) -> str:
        """Its row's name."""
        return f"{self.kind}, {'always' if self.lasting else 'once'}"

    def fault(self) -> Fault:
        """What the proxy is told."""
        hour_or_second = 3_600 if self.lasting else 1
        times = -1 if self.lasting else 1
        return Fault(self.kind, times=times, path=self.place.path, retry_after=hour_or_second)


def cells(service: str) -> list[Cell]:
    """All of a service.

    Nobody can tell from outside when a refused connection was tried, so that always lasts. An object that trickles is
    waited for as long as its bytes come, for it may be a large one: the job's time limit ends that.
    """
    return [
        Cell(place, kind, lasting)
        for place in PLACES
        for kind in KINDS
        for lasting in (False, True)
        if place.service == service and (lasting or kind != "refuse") and not (place.path and kind == "trickle")
    ]


def table(outcomes: dict[Cell, str]) -> str:
    """A service's part of the matrix as Markdown: a row for each fault, a column for each step."""
    titles = list(dict.fromkeys(cell.place.title for cell in outcomes))
    rows = list(dict.fromkeys(cell.row for cell in outcomes))
    words = {(cell.row, cell.place.title): said for cell, said in outcomes.items()}
    lines = [f"| fault | {' | '.join(titles)} |", "|---" * (len(titles) + 1) + "|"]
    lines += [f"| {row} | {' | '.join(words.get((row, title), '-') for title in titles)} |" for row in rows]
    return "\n".join(lines)

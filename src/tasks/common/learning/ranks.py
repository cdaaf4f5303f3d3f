"""Which of the processes this one is that train one model together, and what of a batch is its part.

Shapes: N examples of a joined batch, R ranks, M numbers kept of an example.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

# The sum over all ranks of an array (N, M) float64 that has the same shape on each.
Total = Callable[["np.ndarray"], "np.ndarray"]


@dataclass(frozen=True)
class Rank:
    """Rank `number` of `count`. One of one is every training that has a device to itself."""

    number: int = 0
    count: int = 1
    addresses: tuple[str, ...] = ()
    """Where each rank can be reached, as `host:port`."""
    meeting: Path | None = None
    """A folder that all ranks share and nobody else can read, where they are all on one machine."""
    on_machine: int = 1
    """Ranks on this one's machine."""
    store: Path | None = None
    """The folder of the training's checkpoints, in a process that was started as a rank."""
    phase: str = ""
    """The phase after which such a process ends."""
    epochs_file: Path | None = None
    """Where the first rank writes what each epoch measured, a line of JSON each."""
    writes: bool = True
    """Whether model and history are this process' to write."""

    def computed(self, n_examples: int) -> slice:
        """What this rank computes of a batch: its part, or all of a batch that has fewer examples than ranks."""
        return part_of(n_examples, self.number, self.count) if n_examples >= self.count else slice(0, n_examples)

    def counted(self, n_examples: int) -> slice:
        """Which of the examples that it computed this rank reports, so that none is reported twice."""
        return slice(None) if n_examples >= self.count else part_of(n_examples, self.number, self.count)

    def copies(self, n_examples: int) -> int:
        """How many ranks compute each example of a batch."""
        return 1 if n_examples >= self.count else self.count

    def weight(self, n_examples: int) -> float:
        """For how many examples the mean loss of what it computed stands; all ranks' add up to n_examples."""
        if n_examples < self.count:
            return n_examples / self.count
        part = part_of(n_examples, self.number, self.count)
        return part.stop - part.start


@dataclass(frozen=True)
class Again:
    """How a process of its own comes to a training: by a job's function, see Job."""

    root: Path
    function: str
    arguments: Mapping[str, Any]


ALONE = Rank()
_this = ALONE


def this_rank() -> Rank:
    """What this process is."""
    return _this


def become(rank: Rank) -> None:
    """Make this process `rank`, before it trains."""
    global _this
    _this = rank


def part_of(n: int, number: int, count: int) -> slice:
    """The part of 0 to n that is number `number` of `count` parts, in order and of sizes that differ by one at most.

    >>> [part_of(5, number, 2) for number in (0, 1)]
    [slice(0, 2, None), slice(2, 5, None)]
    """
    return slice(n * number // count, n * (number + 1) // count)


def gather(total: Total, rank: Rank, rows: np.ndarray) -> np.ndarray:
    """The rows (N, M) float64 of every rank, one rank's after the other's; M is the same on each, N need not be.

    As a sum, because that is what both frameworks do for all types of devices: of rows among zeros, so it is exact.
    """
    import numpy as np

    if rank.count == 1:
        return rows
    sizes = np.zeros((1, rank.count))
    sizes[0, rank.number] = len(rows)
    ends = total(sizes)[0].cumsum().astype(int)
    among_zeros = np.zeros((ends[-1], *rows.shape[1:]))
    among_zeros[ends[rank.number] - len(rows) : ends[rank.number]] = rows
    return total(among_zeros) if ends[-1] else among_zeros

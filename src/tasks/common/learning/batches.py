"""Batches of arrays that may be larger than memory, the same for both frameworks.

Shapes: N examples, B examples of a batch.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from tasks.common.learning.ranks import this_rank
from tasks.common.stage.errors import TaskError

if TYPE_CHECKING:
    import numpy as np

    Arrays = tuple[np.ndarray, np.ndarray]
    Transform = Callable[[np.ndarray, np.ndarray, np.random.Generator], Arrays]

Made = TypeVar("Made")

# What the number after the seed is for, so that no two generators are the same.
_ORDER, _BATCH = 0, 1


@dataclass(frozen=True)
class Batches:
    """Inputs (N, ...) and targets (N, ...), in memory or memory-mapped, as batches.

    The order of an epoch and the generator of a batch's transform follow from seed, epoch and the batch's number alone:
    so training can go on from any batch, and the number of workers changes nothing. Raises TaskError where N is 0.
    """

    inputs: np.ndarray
    targets: np.ndarray
    batch_size: int
    seed: int | None = None
    """Shuffles anew each epoch; None leaves the examples in order."""
    transform: Transform | None = None
    """Takes inputs (B, ...), targets (B, ...) and a generator; returns inputs and targets.

    What it makes of an example must not depend on the others of the batch but by the generator.
    """
    num_workers: int = 0
    """Threads that make batches ahead; 0 makes each when it is asked for."""
    _draws: threading.Event = field(default_factory=threading.Event, init=False, repr=False, compare=False)
    """Whether the transform was seen to use its generator."""

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.targets):
            raise ValueError(f"{len(self.inputs)} inputs for {len(self.targets)} targets")
        if not len(self.inputs):
            raise TaskError("there are no examples to make batches of; run the stage prepare again.")

    def __len__(self) -> int:
        """Batches of an epoch; the last may be smaller."""
        return -(-len(self.inputs) // self.batch_size)

    def size(self, number: int) -> int:
        """Examples of the batch of that number, over all ranks."""
        return min(self.batch_size, len(self.inputs) - number * self.batch_size)

    def epoch(
        self, epoch: int, start: int, stop: int, finish: Callable[[np.ndarray, np.ndarray], Made]
    ) -> Iterator[Made]:
        """The batches `start` to before `stop` of an epoch, each through `finish`, which runs in the workers too.

        Of several ranks, each gets what Rank.computed says of every batch.
        """
        order = self._order(epoch)

        def make(number: int) -> Made:
            return finish(*self._batch(order, epoch, number))

        if self.num_workers == 0:
            yield from map(make, range(start, stop))
            return
        with ThreadPoolExecutor(self.num_workers, "batches") as pool:
            ahead: deque[Future[Made]] = deque()
            try:
                for number in range(start, stop):
                    ahead.append(pool.submit(make, number))
                    if len(ahead) > 2 * self.num_workers:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _order(self, epoch: int) -> np.ndarray:
        import numpy as np

        if self.seed is None:
            return np.arange(len(self.inputs))
        return self._generator(_ORDER, epoch).permutation(len(self.inputs))

    def _batch(self, order: np.ndarray, epoch: int, number: int) -> Arrays:
        chosen = order[number * self.batch_size : (number + 1) * self.batch_size]
        part = this_rank().computed(len(chosen))
        if self.transform is None:
            return self.inputs[chosen[part]], self.targets[chosen[part]]
        if len(chosen[part]) < len(chosen) and not self._draws.is_set():
            generator = self._generator(_BATCH, epoch, number)
            before = _state_of(generator)
            made = self.transform(self.inputs[chosen[part]], self.targets[chosen[part]], generator)
            if _state_of(generator) == before:
                return made
            # The numbers are drawn for the whole batch: which are for these examples, only the transform knows.
            self._draws.set()
        inputs, targets = self.transform(
            self.inputs[chosen], self.targets[chosen], self._generator(_BATCH, epoch, number)
        )
        return inputs[part], targets[part]

    def _generator(self, *place: int) -> np.random.Generator:
        import numpy as np

        return np.random.default_rng(np.random.SeedSequence(self.seed or 0, spawn_key=place))


def _state_of(generator: np.random.Generator) -> tuple[object, ...]:
    """Another one after any use of the generator."""
    bits = generator.bit_generator
    return bits.state, getattr(bits.seed_seq, "n_children_spawned", 0)

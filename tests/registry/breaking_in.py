"""A client of MLflow's that does something at one of its calls: does not go on, or lets another go first."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mlflow import MlflowClient

from pawl.schema.promotion import Decision
from tests.registry.site import Site, promote


class Killed(BaseException):
    """As SIGKILL: nothing catches it."""


@dataclass
class Watched:
    """A client that does something before each call, such as not to go on; after one is before the next."""

    client: MlflowClient
    step: Callable[[str], None]

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)

        def call(*arguments: Any, **named: Any) -> Any:
            self.step(name)
            return method(*arguments, **named)

        return call


def at(number: int, act: Callable[[], None]) -> Callable[[str], None]:
    """Act at the step of that number."""
    steps = itertools.count()

    def step(_: str) -> None:
        if next(steps) == number:
            act()

    return step


def counted(site: Site, act: Callable[[Any], object]) -> int:
    """How many steps it has."""
    steps: list[str] = []
    act(Watched(site.client(), steps.append))
    return len(steps)


def raise_killed() -> None:
    raise Killed


class Turns:
    """Lets one of two threads go as far as its next call, as a list says; after it the first, and then the other.

    Whoever has the turn keeps it until it comes to a call again, so that the same list is the same story every time.
    """

    def __init__(self, order: list[int], both: tuple[int, int]) -> None:
        self.order = order
        self.left = list(both)
        self.holder: int | None = None
        self.changed = threading.Condition()

    def wait(self, who: int) -> None:
        with self.changed:
            self._let_go(who)
            assert self.changed.wait_for(lambda: self.holder is None and self._next() == who, 60)
            self.holder = who
            if self.order:
                self.order.pop(0)

    def end(self, who: int) -> None:
        with self.changed:
            self.left.remove(who)
            self._let_go(who)

    def _let_go(self, who: int) -> None:
        if self.holder == who:
            self.holder = None
        self.changed.notify_all()

    def _next(self) -> int:
        while self.order and self.order[0] not in self.left:
            self.order.pop(0)
        return self.order[0] if self.order else self.left[0]


def both(
    site: Site, name: str, decisions: tuple[Decision, Decision], order: list[int], packages: tuple[int, int]
) -> None:
    """Promote commits 2 and 3 at the same time, call by call in that order."""
    turns, problems = Turns(list(order), (2, 3)), []

    def work(who: int) -> None:
        def step(_: str) -> None:
            turns.wait(who)

        try:
            promote(site, Watched(site.client(), step), name, who, decisions[who - 2], packages[who - 2])
        except BaseException as problem:
            problems.append(problem)
        finally:
            turns.end(who)

    threads = [threading.Thread(target=work, args=(who,)) for who in (2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []

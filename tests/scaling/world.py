"""A pipeline whose stages meet through files in one place, a remote that is a folder, and orders for its stages."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from pawl import __version__, git
from pawl.pipeline.plan import look_over
from pawl.pipeline.project import open_project
from pawl.pipeline.remote import Remote
from pawl.scaling.fleet import Engine
from pawl.scaling.orders import Answer, Made, Order, remotes_of
from pawl.scaling.source import source_of
from pawl.schema import Stages
from pawl.session import Choices, open_session
from pawl.steps import plan_step, reproduce_step
from tests.pipeline.dag import STEP, make_dag

_T = TypeVar("_T")


def make_work(
    root: Path, stages: Mapping[str, dict[str, Any]], files: Mapping[str, str] | None = None, url: str | None = None
) -> Path:
    """The repository at `root`; beside it its remote `store` (or at `url`), and `at/` for what stages leave."""
    (root.parent / "at").mkdir(parents=True)
    step = STEP.replace('pathlib.Path("at")', f"pathlib.Path({str(root.parent / 'at')!r})")
    settings = "[core]\n    analytics = false\n    remote = store\n['remote \"store\"']\n"
    settings += f"    url = {url or root.parent / 'store'}\n"
    return make_dag(root, stages, {"step.py": step, ".dvc/config": settings, **(files or {})})


def order_for(root: Path, name: str, **changes: Any) -> Order:
    """What a machine is told for the stage of the commit that is checked out at `root`; its upstream is known."""
    project = open_project(root)
    look = look_over(project, Remote(project))[name]
    remotes, default = remotes_of(project)
    values: dict[str, Any] = {
        "commit": git.head(root).commit,
        "inner": ".",
        "stage": name,
        "stage_key": look.stage_key,
        "force": False,
        "allowed": (),
        "remotes": remotes,
        "default_remote": default,
        "environment": {},
        "cpus": 1,
        "version": __version__,
    }
    return Order(**(values | changes))


def carried_out(order: Order, root: Path, machine: Path) -> tuple[Made, list[str]]:
    """How the machine whose folder that is ended it, and the lines of the stage."""
    from pawl.scaling.node import carry_out

    answers: list[Answer] = list(carry_out(order, source_of(root, order.commit), machine))
    made = answers[-1].made
    assert made is not None
    return made, [line for answer in answers for line in answer.lines]


def stored(root: Path) -> set[str]:
    """The keys of the receipts on the remote."""
    return {path.parent.name for path in (root.parent / "store").glob("files/md5/runs/*/*/*")} | {
        path.parent.name for path in (root.parent / "store").glob("runs/*/*/*")
    }


def apart(function: Callable[..., _T], *arguments: Any) -> _T:
    """What the function returns in a process of its own: Ray reads its settings once, when it is imported."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def reproduced(root: Path, address: str, said: list[str], **choices: Any) -> Stages:
    """Every stage of the repository, on the cluster."""
    stages, lines = apart(_reproduced, root, address, choices)
    said += lines
    return stages


def _reproduced(root: Path, address: str, choices: dict[str, Any]) -> tuple[Stages, list[str]]:
    said: list[str] = []
    session = open_session(Choices(root.absolute(), **choices))
    plan, head_looks, base_looks = plan_step(session, everything=True)
    engine = Engine("ray", address)
    return reproduce_step(session, plan, head_looks, base_looks, said.append, jobs=None, engine=engine), said


def content(root: Path) -> dict[str, str]:
    """SHA-256 of the stages' outputs and of dvc.lock, by path."""
    files = [*root.glob("*.txt"), root / "dvc.lock", *root.glob("results/*/*"), *root.glob("models/*/*")]
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files if p.is_file()}

"""`python -m pawl.scaling.making FOLDER < order.json`: one stage's result, made in a checkout and sent to the remote.

Standard output is answers, one in JSON on each line, see `Answer`. The first line of standard input is the order; when
standard input ends after it, whoever gave the order is gone, and so is all that runs here; see `guard`.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pawl import __version__
from pawl.errors import InputError, PawlError, ServiceError
from pawl.pipeline.progress import Progress
from pawl.pipeline.project import Project, stage_name
from pawl.scaling.orders import Answer, Made, Order, exchange

if TYPE_CHECKING:
    from dvc.stage import PipelineStage

    from pawl.pipeline.worker import Worker

SIGN_OF_LIFE_SECONDS = 5.0
_FULL_BYTES = 16 * 2**20
_one_answer = threading.Lock()


class _Lines(Progress):
    """Passes on what the stage prints; what is upstream of it, and had to be made too, is named."""

    def __init__(self, label: str) -> None:
        super().__init__(lambda _: None)
        self._label = label

    def print(self, name: str, line: str) -> None:
        """The stage wrote a line."""
        _answer(Answer(lines=(line if name == self._label else f"{name.partition(': ')[2]} | {line}",)))


def make(order: Order, top: Path) -> Made:
    """Make the stage's result in the checkout at `top`, unless the remote has it, and see to it that the remote does.

    Raises InputError and ServiceError as the steps of it do.
    """
    from pawl.pipeline.project import open_project
    from pawl.pipeline.turns import take_turns

    project = open_project(top / order.inner)
    stage = project.stage(order.stage)
    if stage is None:
        raise InputError(f"there is no stage {order.stage} in {order.commit[:10]}: plan again.")
    project.stages = _with_upstream(project, stage)
    worker = _worker(order, project, top)
    if worker.looks[order.stage].stage_key not in (order.stage_key, None):
        raise InputError(
            f"{order.stage} has another key here than where it was ordered: have the same versions of pawl and DVC "
            "on all machines."
        )
    take_turns([_obtain(worker, stage)])
    return _made(order, worker, stage)


async def _obtain(worker: Worker, stage: PipelineStage) -> None:
    await worker.obtain(stage)


def _with_upstream(project: Project, stage: PipelineStage) -> list[PipelineStage]:
    """The stage and all it follows from, in running order; the others are none of this machine's business."""
    wanted = {stage_name(stage)}
    for other in reversed(project.stages):
        if stage_name(other) in wanted:
            wanted |= {stage_name(source) for source in project.upstream(other)}
    return [other for other in project.stages if stage_name(other) in wanted]


def _worker(order: Order, project: Project, top: Path) -> Worker:
    from pawl.config import load_config
    from pawl.pipeline.environment import describe_machine, installed_gpus, visible_gpus
    from pawl.pipeline.plan import look_over
    from pawl.pipeline.remote import Remote
    from pawl.pipeline.resources import Pool
    from pawl.pipeline.shared import Shared
    from pawl.pipeline.worker import Worker

    gpus = installed_gpus()
    pool = Pool(order.cpus, visible_gpus(gpus, os.environ))
    config = load_config(project.root)
    remote = Remote(project)
    return Worker(
        side="head",
        project=project,
        looks=look_over(project, remote),
        remote=remote,
        reports=top / ".pawl" / "made",
        allowed=list(order.allowed),
        shared=Shared(pool, _Lines(f"head: {order.stage}"), describe_machine(gpus), config.resources_of),
        force=frozenset({order.stage} if order.force else ()),
        commit=order.commit,
    )


def _made(order: Order, worker: Worker, stage: PipelineStage) -> Made:
    from pawl.pipeline.push import push
    from pawl.waiting import patiently

    name = stage_name(stage)
    result, look = worker.results[name], worker.looks[name]
    if result.outcome == "skipped":
        failed = next(r for r in worker.results.values() if r.outcome == "failed")
        return Made(problem=f"{failed.name} had to be made again first, and {_first_line(failed.log_tail)}")
    found = Made(
        ran=result.usage is not None,
        started_at=result.started_at or "",
        exit_code=result.exit_code or 0,
        usage=result.usage,
        environment_digest=worker.shared.machine.environment_digest,
    )
    if result.outcome == "failed":
        free = shutil.disk_usage(worker.project.root).free
        what = {"trouble": _full(free)} if free < _FULL_BYTES else {"problem": _first_line(result.log_tail)}
        return found.model_copy(update=what)
    if look.receipt is None or look.stage_key != order.stage_key:
        raise InputError(f"{name} has a result here that is filed under another key than the one ordered: plan again.")
    # What was found in this machine's cache may have been kept from the remote by an earlier run's bad luck.
    known = {other: worker.looks[other] for other in worker.looks if other in worker.made or other == name}
    patiently(lambda: push(worker.project, known, exchange(worker.project), lambda _: None))
    return found.model_copy(update={"receipt": look.receipt.value})


def _first_line(text: str) -> str:
    return text.partition("\n")[0][:1_000] or "failed"


def _full(free_bytes: int) -> str:
    return f"its disk is full, {free_bytes // 2**20} MiB are free"


def _answer(answer: Answer) -> None:
    with _one_answer:
        sys.stdout.write(f"{answer.model_dump_json()}\n")
        sys.stdout.flush()


def _be_heard() -> None:
    """A machine that is silent for long is taken for one that stands still."""
    while True:
        time.sleep(SIGN_OF_LIFE_SECONDS)
        _answer(Answer())


def _end_with_standard_input() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> int:
    """Carry out the order; the exit code says no more than the last answer does."""
    from pawl.pipeline.orphans import no_orphans
    from pawl.waiting import end_process

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with open(0, "rb", buffering=0, closefd=False) as given:
        order = Order.model_validate_json(given.readline())
    for work in (_end_with_standard_input, _be_heard):
        threading.Thread(target=work, daemon=True).start()
    try:
        if order.version != __version__:
            raise InputError(f"pawl is {order.version} where the order comes from and {__version__} here: have one.")
        with no_orphans():
            made = make(order, Path(sys.argv[1]))
    except ServiceError as error:
        made = Made(trouble=str(error)[:2_000])
    except PawlError as error:
        made = Made(refused=str(error)[:2_000])
    except OSError as error:
        made = Made(trouble=f"{error.filename or 'it'}: {error.strerror or error}"[:2_000])
    _answer(Answer(made=made))
    end_process(0)


if __name__ == "__main__":
    sys.exit(main())

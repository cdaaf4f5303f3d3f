"""The search: Optuna suggests values, jobs train with them, and what they measured goes back to Optuna.

A study lives in `.tune/<task>/<name>/`. Its name is a digest of the space, the other parameters, the prepared data and
the code of the training, so that trials of one study can be compared, and a study goes on only where it still is one.
"""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tasks
from tasks.common.data.manifest import content_digest
from tasks.common.learning.jobs import Executor, Job, Outcome, attempt_jobs
from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import file_digest, read_json, write_json
from tasks.common.stage.paths import TaskPaths
from tasks.common.stage.progress import say
from tasks.tune.space import TuneParams, distributions, to_suggestion, to_values, with_values
from tasks.tune.trial import RESULT_FILE

if TYPE_CHECKING:
    import optuna

# The code that decides what a training comes to.
_CODE = ("common/stage", "common/data", "common/model", "common/learning", "{task}/model", "{task}/train")


@dataclass(frozen=True)
class Search:
    """What is searched and in which folder."""

    root: Path
    task: str
    tune: TuneParams
    block: Mapping[str, Any]
    """The block `train` as it is in params.yaml."""
    folder: Path


@dataclass(frozen=True)
class Trial:
    """A trial that is over."""

    number: int
    values: Mapping[str, Any]
    value: float | None
    """What the metric was on the validation split, None where the training failed."""
    error: str | None


def open_search(root: Path, task: str, tune: TuneParams, block: Mapping[str, Any]) -> Search:
    """The study of exactly this question, new or begun before. Raises TaskError where there is no prepared data."""
    prepared = TaskPaths(root, task).prepared
    if not (prepared / "manifest.csv").is_file():
        raise TaskError(f"{prepared / 'manifest.csv'} does not exist; run the stage prepare first.")
    package = Path(tasks.__file__).parent
    question = {
        "tune": tune.model_dump(),
        # The values searched for may be changed between two runs of one study: by --write, for example.
        "block": with_values(block, dict.fromkeys(tune.space)),
        "data": _digests(prepared, "*"),
        "code": {part: _digests(package / part.format(task=task), "*.py") for part in _CODE},
    }
    name = content_digest(json.dumps(question, sort_keys=True).encode())[:12]
    home = root / ".tune"
    home.mkdir(exist_ok=True)
    # git and DVC have no business in here.
    (home / ".gitignore").write_text("*\n")
    folder = home / task / name
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "question.json", question)
    return Search(root, task, tune, block, folder)


def run_search(
    search: Search, trials: int, seconds: float | None, workers: int, executor: Executor = "local"
) -> list[Trial]:
    """All trials of the study, after it was brought to `trials`, in batches of `workers` at once.

    executor: as of tasks.common.learning.jobs. No batch is begun after `seconds`. Interrupted, it keeps what is done:
    called again, it goes on where it was. Raises TaskError where no trial at all comes to a result.
    """
    from optuna.trial import TrialState

    deadline_seconds = None if seconds is None else time.monotonic() + seconds
    with _alone(search.folder):
        study = _open_study(search)
        pending = [trial.number for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))]
        while True:
            while len(pending) < workers and _n_begun(study) < trials:
                pending.append(_ask(search, study))
            if not pending or (deadline_seconds is not None and time.monotonic() >= deadline_seconds):
                break
            batch, pending = pending[:workers], pending[workers:]
            _run_batch(search, study, batch, trials, executor)
    finished = list_trials(search, study)
    if finished and all(trial.value is None for trial in finished):
        raise TaskError(f"no trial came to a result; the first: {finished[0].error}")
    return finished


def list_trials(search: Search, study: optuna.Study) -> list[Trial]:
    """The trials that are over, by number."""
    from optuna.trial import TrialState

    states = (TrialState.COMPLETE, TrialState.FAIL)
    return [
        Trial(trial.number, to_values(search.tune, trial.params), trial.value, trial.user_attrs.get("error"))
        for trial in study.get_trials(deepcopy=False, states=states)
    ]


def best_of(search: Search, trials: Sequence[Trial]) -> Trial | None:
    """The trial with the best value, the first among equals; None where none has a value."""
    sign = 1 if search.tune.direction == "minimize" else -1
    measured = [(sign * trial.value, trial.number, trial) for trial in trials if trial.value is not None]
    return min(measured)[2] if measured else None


def load_study(search: Search) -> optuna.Study:
    """The study as Optuna has it, made where it is new."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend(str(search.folder / "journal.log")))
    return optuna.create_study(
        storage=storage, study_name=search.folder.name, direction=search.tune.direction, load_if_exists=True
    )


def _open_study(search: Search) -> optuna.Study:
    study = load_study(search)
    if study.trials:
        say(f"tune {search.task}: goes on with the study {search.folder.name}, which has {len(study.trials)} trials")
        return study
    present = to_suggestion(search.tune, search.block)
    if present is not None:
        # The first trial is what is there now, so that "better" has something to be better than.
        study.enqueue_trial(present)
    return study


def _ask(search: Search, study: optuna.Study) -> int:
    import optuna

    # A seed for each trial: a search that goes on later must not draw the same numbers again.
    seed = int(content_digest(search.folder.name.encode(), str(_n_begun(study)).encode())[:8], 16)
    study.sampler = optuna.samplers.TPESampler(seed=seed)
    return study.ask(distributions(search.tune)).number


def _n_begun(study: optuna.Study) -> int:
    from optuna.trial import TrialState

    # The present values wait in the study until they are asked for.
    return sum(trial.state != TrialState.WAITING for trial in study.get_trials(deepcopy=False))


def _run_batch(search: Search, study: optuna.Study, numbers: Sequence[int], trials: int, executor: Executor) -> None:
    names = {number: f"{number:04d}" for number in numbers}
    values = {number: to_values(search.tune, study.trials[number].params) for number in numbers}
    jobs = [
        Job(
            names[number],
            "tasks.tune.trial:run",
            {
                "task": search.task,
                "params": with_values(search.block, values[number]),
                "metric": search.tune.metric,
            },
        )
        for number in numbers
    ]
    outcomes: Sequence[Outcome | None] = [None] * len(jobs)
    folder = search.folder / "trials"
    try:
        outcomes = attempt_jobs(
            jobs, folder, root=search.root, executor=executor, workers=len(jobs), label=f"tune {search.task}"
        )
    finally:
        # What was done when an interruption came counts; the rest is done again when the search goes on.
        for number, outcome in zip(numbers, outcomes, strict=True):
            _tell(search, study, number, folder / names[number], outcome, trials)


def _tell(search: Search, study: optuna.Study, number: int, folder: Path, outcome: Outcome | None, trials: int) -> None:
    from optuna.trial import TrialState

    if outcome and outcome.error:
        # Through the storage, because a trial that goes on from an earlier run has no object of its own.
        study._storage.set_trial_user_attr(study.trials[number]._trial_id, "error", outcome.error)
        study.tell(number, state=TrialState.FAIL)
        return
    if outcome is None and not (folder / "done.json").is_file():
        return
    value = read_json(folder / "out" / RESULT_FILE, "that trains")["value"]
    study.tell(number, value)
    best = best_of(search, list_trials(search, study))
    known = f" (best: {best.value:.5g} of trial {best.number})" if best and best.value is not None else ""
    say(f"tune {search.task}: trial {number}, of {trials} in all: {search.tune.metric} {value:.5g}{known}")


def _digests(folder: Path, pattern: str) -> dict[str, str]:
    files = sorted(path for path in folder.rglob(pattern) if path.is_file())
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in files}


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TaskError(f"another search is at work in {folder}; wait for it, or end it.") from None
        yield

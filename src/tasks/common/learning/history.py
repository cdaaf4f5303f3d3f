"""The history of a training in DVCLive's format: one tab-separated file a metric, one row an epoch."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from tasks.common.learning.ranks import this_rank
from tasks.common.stage.errors import TaskError
from tasks.common.stage.paths import TaskPaths
from tasks.common.stage.progress import progress

LogEpoch = Callable[[Mapping[str, float]], None]


def clear_history(paths: TaskPaths) -> None:
    """Remove what an earlier training left: to be called once before the first history with a prefix."""
    if this_rank().writes:
        shutil.rmtree(paths.history, ignore_errors=True)


@contextmanager
def history(paths: TaskPaths, epochs: int, prefix: str = "") -> Iterator[LogEpoch]:
    """A function that takes the metrics of each epoch in turn, such as `{"train/loss": 0.3, "val/loss": 0.4}`.

    prefix: of a training with several histories, which one, such as `head/`; it comes before each metric's name, and
    the other histories stay. Of the processes of one training, one alone writes it. Raises TaskError in a git
    repository without a commit.
    """
    if not this_rank().writes:
        yield lambda metrics: None
        return
    from dvclive import Live
    from scmrepo.exceptions import SCMError

    if not prefix:
        clear_history(paths)
    paths.history.mkdir(parents=True, exist_ok=True)
    try:
        live = Live(dir=str(paths.history), save_dvc_exp=False, dvcyaml=None, resume=True)
    except SCMError as error:
        raise TaskError(
            f"DVCLive cannot use the git repository of {paths.root} ({error}); commit once first."
        ) from error
    # Each history counts its own epochs.
    live.step = 0
    label = " ".join(["train", paths.task, prefix.rstrip("/")]).rstrip()
    with live, progress(label, epochs, "epoch") as advance:

        def log(metrics: Mapping[str, float]) -> None:
            for name, value in metrics.items():
                live.log_metric(f"{prefix}{name}", float(value))
            live.next_step()
            advance("  ".join(f"{name} {value:.4f}" for name, value in metrics.items()))

        yield log

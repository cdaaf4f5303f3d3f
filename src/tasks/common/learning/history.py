"""The history of a training in DVCLive's format: one tab-separated file a metric, one row an epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from tasks.common.stage.errors import TaskError
from tasks.common.stage.paths import TaskPaths
from tasks.common.stage.progress import progress

LogEpoch = Callable[[Mapping[str, float]], None]


@contextmanager
def history(paths: TaskPaths, epochs: int) -> Iterator[LogEpoch]:
    """A function that takes the metrics of each epoch in turn, such as `{"train/loss": 0.3, "val/loss": 0.4}`.

    Raises TaskError in a git repository without a commit.
    """
    from dvclive import Live
    from scmrepo.exceptions import SCMError

    paths.history.mkdir(parents=True, exist_ok=True)
    try:
        live = Live(dir=str(paths.history), save_dvc_exp=False, dvcyaml=None)
    except SCMError as error:
        raise TaskError(
            f"DVCLive cannot use the git repository of {paths.root} ({error}); commit once first."
        ) from error
    with live, progress(f"train {paths.task}", epochs, "epoch") as advance:

        def log(metrics: Mapping[str, float]) -> None:
            for name, value in metrics.items():
                live.log_metric(name, float(value))
            live.next_step()
            advance("  ".join(f"{name} {value:.4f}" for name, value in metrics.items()))

        yield log

"""One training of a commit with its own or other seeds, in a checkout of its own."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pawl.config import Config

if TYPE_CHECKING:
    from dvc.repo import Repo

    from pawl.pipeline.shared import Shared
    from pawl.pipeline.worker import Worker


@dataclass(frozen=True)
class Place:
    """What all trainings have in common."""

    top: Path
    """Of the git checkout that the command was given in."""
    inner: Path
    """The DVC root below it."""
    commit: str
    config: Config
    repo: Repo
    """DVC's, with the cache and the remotes."""
    use_remote: bool

    @property
    def root(self) -> Path:
        """The DVC root that the command was given in."""
        return self.top / self.inner

    @property
    def folder(self) -> Path:
        """For logs and checkouts."""
        return self.top / ".pawl" / "noise"


@dataclass
class Training:
    """Opened when its first stage begins, closed when its last one has ended."""

    place: Place
    shared: Shared
    seeds: Mapping[str, int]
    """What is set; empty: the commit's own."""
    title: str
    values: dict[tuple[str, str], float] = field(default_factory=dict)
    """(file, key) -> the metric's value."""
    examples: dict[str, str] = field(default_factory=dict)
    """Predictions file -> digest of which examples it is about."""
    ended: set[str] = field(default_factory=set)
    """Stages with a metric that have ended, well or not."""

    @cached_property
    def worker(self) -> Worker:
        """At work in the checkout, which is made now."""
        from pawl.pipeline.checkout import base_checkout, set_checkout, share_settings
        from pawl.pipeline.plan import look_over
        from pawl.pipeline.project import dvc_root, open_project
        from pawl.pipeline.remote import Remote

        place = self.place
        if self.seeds:
            overrides = [f"{name}={value}" for name, value in self.seeds.items()]
            top = set_checkout(place.top, place.commit, place.inner, overrides, self._folder)
        else:
            top = base_checkout(place.top, place.commit)
        root = dvc_root(top / place.inner)
        share_settings(place.repo, root)
        project = open_project(root)
        project.repo.lock._wait = True  # a command may be DVC itself, and hold the lock for long
        remote = Remote(project, place.use_remote)
        return self.shared.worker_type()(
            side="base",
            project=project,
            looks=look_over(project, remote),
            remote=remote,
            reports=place.folder,
            allowed=place.config.stage_environment,
            shared=self.shared,
            commit=None if self.seeds else place.commit,  # the commit with other seeds is on this machine only
            title=self.title,
        )

    def read(self, metric_paths: list[str], prediction_paths: list[str]) -> None:
        """Take the values and examples of files that a stage left in the checkout."""
        from pawl.compare.files import measured, read_metrics

        project = self.worker.project
        for path in metric_paths:
            file = project.root / path
            for key, leaf in read_metrics(file, f"{path} of {self.title}").items() if file.exists() else ():
                value = measured(leaf).value
                if value is not None:
                    self.values[path, key] = value
        for path in prediction_paths:
            digest = examples_digest(project.root / path)
            if digest is not None:
                self.examples[path] = digest
                self.values |= _recomputed(project.root / path, path)

    def close(self) -> None:
        """Remove the checkout, if it is one with other seeds; what was made is in the cache."""
        if self.seeds:
            shutil.rmtree(self._folder, ignore_errors=True)
        else:
            self.worker.lock_file.write()

    @property
    def _folder(self) -> Path:
        return self.place.folder / self.title.replace(" ", "-")


def _recomputed(file: Path, path: str) -> dict[tuple[str, str], float]:
    """The metrics that predictions give, as a comparison counts them; none where the file is not as it must be."""
    from pawl.compare.statistics.differences import compare_pairs
    from pawl.compare.statistics.pairing import Pair
    from pawl.compare.statistics.predictions import read_predictions
    from pawl.errors import InputError

    try:
        own = read_predictions(file, path)
    except InputError:
        return {}
    return {(path, found.name): found.base for found in compare_pairs(Pair(own, own), resamples=1)}


def examples_digest(file: Path) -> str | None:
    """SHA-256 over the ids, and targets if any, of a predictions file, in any order; None where it has no ids."""
    import pyarrow.parquet as pq
    from pyarrow import ArrowException

    try:
        columns = [name for name in ("id", "target") if name in pq.read_schema(file).names]
        if "id" not in columns:
            return None
        table = pq.read_table(file, columns=columns)
    except (OSError, ArrowException):
        return None
    rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
    return hashlib.sha256("\n".join(sorted(map(repr, rows))).encode()).hexdigest()

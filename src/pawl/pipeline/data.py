"""Data that a `.dvc` file tracks, brought into the workspace for the stages that read it."""

from __future__ import annotations

from contextlib import chdir
from typing import TYPE_CHECKING

from pawl.errors import InputError, ServiceError
from pawl.pipeline.project import Project, one_line
from pawl.waiting import bytes_in, patience_seconds, within

if TYPE_CHECKING:
    from dvc.output import Output
    from dvc.stage import PipelineStage


def fetch_data(project: Project, stage: PipelineStage) -> None:
    """Put the data that the stage reads, and no stage makes, into the workspace.

    Raises InputError where it cannot be had, or where a person changed it: that is not overwritten.
    """
    for dep in stage.deps:
        for out in project.sources_of(dep):
            if not out.stage.cmd or out.stage.frozen:
                _fetch(project, out)


def _fetch(project: Project, out: Output) -> None:
    from dvc.exceptions import DvcException

    place = f"{project.relative(out.fs_path)} in {project.root}"
    if out.exists:
        if out.workspace_status():
            raise InputError(
                f"{place} is not what {project.relative(out.stage.path)} records: run `dvc add` (or `dvc commit`) and "
                "commit the change, or bring the recorded data back with `dvc checkout --force`."
            )
        return
    try:
        if out.changed_cache():
            with chdir(project.root):
                within(
                    patience_seconds(),
                    lambda: project.repo.pull(targets=[out.stage.addressing]),
                    lambda: bytes_in(project.repo.cache.local_cache_dir),
                )
        else:
            with project.repo.lock:
                out.checkout(force=True)
    except TimeoutError as error:
        raise ServiceError(f"{place} cannot be fetched: {error}. Does the remote answer?") from error
    except DvcException as error:
        raise InputError(f"{place} cannot be fetched: {one_line(error)}. Is it pushed (`dvc push`)?") from error

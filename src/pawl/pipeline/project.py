"""A checkout's DVC pipeline: its stages in the order they run, and the hashes of what each reads.

All that pawl needs of DVC's Python interface goes through this module, `receipts` and `reproduce`; DVC is pinned.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawl.errors import InputError

if TYPE_CHECKING:
    from dvc.dependency import Dependency
    from dvc.output import Output
    from dvc.repo import Repo
    from dvc.stage import PipelineStage, Stage


@dataclass
class Project:
    """One side's checkout; `known` maps the absolute path of every output whose content is certain to DVC's output."""

    root: Path
    repo: Repo
    stages: list[PipelineStage]
    producers: dict[str, Output]
    """Absolute path -> the output (of a stage, or of a `.dvc` file) that puts it there."""
    known: dict[str, Output] = field(default_factory=dict)

    def stage(self, name: str) -> PipelineStage | None:
        """The stage of that name, if there is one."""
        return next((stage for stage in self.stages if stage_name(stage) == name), None)

    def relative(self, path: str) -> str:
        """`path` as people write it: relative to the project, with forward slashes."""
        return Path(os.path.relpath(path, self.root)).as_posix()

    def upstream(self, stage: PipelineStage) -> list[PipelineStage]:
        """The stages whose outputs `stage` reads, each once, in running order."""
        names = {stage_name(out.stage) for dep in stage.deps for out in self.sources_of(dep)}
        return [other for other in self.stages if stage_name(other) in names]

    def sources_of(self, dep: Dependency) -> Iterator[Output]:
        """The outputs that `dep` is, lies in, or contains."""
        if dep.protocol != "local":
            return
        path = dep.fs_path
        for produced, out in self.producers.items():
            if path == produced or path.startswith(produced + os.sep) or produced.startswith(path + os.sep):
                yield out


def stage_name(stage: Stage) -> str:
    """The name people give the stage: that in the root dvc.yaml, else with the path of its file before it.

    DVC's own `addressing` depends on the current directory, so base's stages would be called otherwise than head's.
    """
    path: str = stage.path_in_repo
    return path if not getattr(stage, "name", None) else stage.name if path == "dvc.yaml" else f"{path}:{stage.name}"


def dvc_root(folder: Path) -> Path:
    """The DVC root at or above `folder`. Raises InputError where there is none."""
    for candidate in (folder, *folder.parents):
        if (candidate / ".dvc").is_dir():
            return candidate
        if (candidate / ".git").exists():
            break
    raise InputError(
        f"{folder} is not in a DVC repository: run `dvc init`, describe your stages in dvc.yaml, and commit."
    )


def open_project(root: Path) -> Project:
    """The pipeline of the checkout at `root`; `.dvc` files' outputs are known from the start.

    Raises InputError with DVC's own reason where dvc.yaml, params.yaml or a `.dvc` file cannot be used.
    """
    os.environ.setdefault("DVC_NO_ANALYTICS", "1")
    import networkx
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        repo = Repo(str(root))
        _quiet(repo)
        graph = repo.index.graph
        stages = [stage for stage in networkx.dfs_postorder_nodes(graph) if stage.cmd]
        outs = list(repo.index.outs)
    except DvcException as error:
        raise InputError(f"DVC cannot read the pipeline in {root}: {one_line(error)}") from error
    project = Project(root, repo, stages, {out.fs_path: out for out in outs if out.protocol == "local"})
    for out in outs:
        if (not out.stage.cmd or out.stage.frozen) and out.protocol == "local" and out.hash_info:
            project.known[out.fs_path] = out
    return project


def resolve_inputs(project: Project, stage: PipelineStage) -> bool:
    """Give every dependency of `stage` its present hash; False while one of them is the result of an unknown stage.

    What other stages produce counts by its known hash and need not be in the workspace. Raises InputError where a file
    or parameter that the stage names does not exist.
    """
    from dvc.dependency import ParamsDependency
    from dvc.exceptions import DvcException

    complete = True
    for dep in stage.deps:
        try:
            if not isinstance(dep, ParamsDependency) and next(project.sources_of(dep), None) is not None:
                complete = _take_from_producer(project, dep) and complete
            else:
                dep.save()
        except DvcException as error:
            where = f"stage {stage_name(stage)} in {project.root}"
            raise InputError(f"{where}: {one_line(error)}: commit what is missing, or correct dvc.yaml.") from error
    return complete


def _take_from_producer(project: Project, dep: Dependency) -> bool:
    """Copy onto `dep` the hash of the output it is or lies in; from the workspace where it contains outputs."""
    for out in project.sources_of(dep):
        if out.fs_path not in project.known:
            return False
        if out.fs_path == dep.fs_path:
            dep.hash_info, dep.meta = out.hash_info, out.meta
            return True
        if dep.fs_path.startswith(out.fs_path + os.sep):
            part = out.get_obj(filter_info=dep.fs_path) if out.get_dir_cache() is not None else None
            if part is None:
                return False
            dep.hash_info = part.hash_info
            return True
    if not dep.exists:
        return False
    dep.save()
    return True


def params_of(stage: PipelineStage) -> dict[tuple[str, str], Any]:
    """The parameters that `stage` reads, flattened: (file, dotted key) -> value. After `resolve_inputs`."""
    from dvc.dependency import ParamsDependency

    flat: dict[tuple[str, str], Any] = {}
    for dep in stage.deps:
        if isinstance(dep, ParamsDependency) and dep.hash_info.value:
            for key, value in dep.hash_info.value.items():
                flat |= {(dep.def_path, name): leaf for name, leaf in flatten(value, key)}
    return flat


def flatten(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested mappings as (dotted key, value); lists are leaves.

    >>> list(flatten({"a": {"b": 1}, "c": [2, 3]}))
    [('a.b', 1), ('c', [2, 3])]
    """
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from flatten(inner, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, value


def one_line(error: BaseException) -> str:
    """The message of an error, with its causes' where it has none of its own, as one line without a final full stop."""
    text = " ".join(str(error).split())
    cause = error.__cause__
    if cause is not None and str(cause) and str(cause) not in text:
        text = f"{text} ({' '.join(str(cause).split())})"
    return (text or type(error).__name__).rstrip(".")[:600]


def _quiet(repo: Repo) -> None:
    """Keep DVC's own progress and hints out of the output: pawl says what happens."""
    import logging

    logging.getLogger("dvc").setLevel(logging.ERROR)
    repo.scm_context.quiet = True

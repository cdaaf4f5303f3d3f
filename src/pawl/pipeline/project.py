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
from pawl.pipeline.places import Places
from pawl.pipeline.quick_yaml import use_quick_yaml
from pawl.pipeline.scopes import add_pull_requests_remote, scoped_cache
from pawl.waiting import limit_requests

if TYPE_CHECKING:
    from dvc.dependency import Dependency, ParamsDependency
    from dvc.output import Output
    from dvc.repo import Repo
    from dvc.stage import PipelineStage, Stage


_MAY_BE_SETTINGS = (".yaml", ".yml", ".json", ".toml", ".py", ".lock", ".dvc")


@dataclass
class Project:
    """One side's checkout; `known` maps the absolute path of every output whose content is certain to DVC's output."""

    root: Path
    repo: Repo
    stages: list[PipelineStage]
    producers: dict[str, Output]
    """Absolute path -> the output (of a stage, or of a `.dvc` file) that puts it there."""
    known: dict[str, Output] = field(default_factory=dict)
    locked: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Stage name -> its entry in dvc.lock when the project was opened; stages without a current one are left out."""
    param_files: dict[str, Any] = field(default_factory=dict)
    """Absolute path -> content of each parameter file read so far; DVC would parse it again for every stage."""

    def __post_init__(self) -> None:
        self._places = Places(self.producers)
        self._ranked: list[PipelineStage] = []
        self._rank: dict[str, int] = {}

    def stage(self, name: str) -> PipelineStage | None:
        """The stage of that name, if there is one."""
        return next((stage for stage in self.stages if stage_name(stage) == name), None)

    def relative(self, path: str) -> str:
        """`path` as people write it: relative to the project, with forward slashes."""
        return Path(os.path.relpath(path, self.root)).as_posix()

    def upstream(self, stage: PipelineStage) -> list[PipelineStage]:
        """The stages whose outputs `stage` reads, each once, in running order."""
        if self._ranked is not self.stages:
            self._ranked = self.stages
            self._rank = {stage_name(stage): number for number, stage in enumerate(self.stages)}
        names = {stage_name(out.stage) for dep in stage.deps for out in self.sources_of(dep)}
        return [self.stages[number] for number in sorted(self._rank[name] for name in names if name in self._rank)]

    def sources_of(self, dep: Dependency) -> Iterator[Output]:
        """The outputs that `dep` is, lies in, or contains."""
        yield from self.outputs_at(dep.fs_path) if dep.protocol == "local" else ()

    def outputs_at(self, path: str) -> list[Output]:
        """The outputs that the absolute `path` is, lies in, or contains, in the pipeline's order."""
        return [self.producers[place] for place in self._places.touching(path)]


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
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    use_quick_yaml()
    try:
        repo = Repo(str(root))
        cache = scoped_cache(repo.cache.local_cache_dir, os.environ)
        if cache != repo.cache.local_cache_dir:
            repo = Repo(str(root), config={"cache": {"dir": cache}})
        add_pull_requests_remote(repo.config, os.environ)
        for settings in repo.config["remote"].values():
            settings["verify"] = True  # what a remote sends is hashed before it counts; DVC trusts clouds by default
            limit_requests(str(settings.get("url", "")).partition("://")[0])
        _quiet(repo)
        outs = list(repo.index.outs)
        stages = [stage for stage in repo.index.stages if stage.cmd]
    except DvcException as error:
        raise InputError(f"DVC cannot read the pipeline in {root}: {one_line(error)}") from error
    project = Project(root, repo, stages, {out.fs_path: out for out in outs if out.protocol == "local"})
    project.stages = _in_running_order(project)
    for out in outs:
        if (not out.stage.cmd or out.stage.frozen) and out.protocol == "local" and out.hash_info:
            project.known[out.fs_path] = out
    for stage in stages:
        if not stage.cmd_changed and all(item.hash_info for item in (*stage.deps, *stage.outs)):
            project.locked[stage_name(stage)] = lock_entry(stage)
    return project


def _in_running_order(project: Project) -> list[PipelineStage]:
    """The stages, each after those whose outputs it reads, otherwise as dvc.yaml has them; a circle is an InputError.

    DVC's own graph says the same and takes a quarter of a second to import; it is asked before anything runs.
    """
    ordered: dict[str, PipelineStage] = {}
    waiting: set[str] = set()

    def visit(stage: PipelineStage) -> None:
        name = stage_name(stage)
        if name in ordered:
            return
        if name in waiting:
            raise InputError(f"the stages of {project.root} run in a circle through {name}: take one dependency out.")
        waiting.add(name)
        for upstream in project.upstream(stage):
            visit(upstream)
        ordered[name] = stage

    for stage in project.stages:
        visit(stage)
    return list(ordered.values())


def lock_entry(stage: PipelineStage) -> dict[str, Any]:
    """What dvc.lock says, or would say, of the stage as it now is, in plain dicts and lists."""
    from dvc.stage.serialize import to_single_stage_lockfile

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {str(key): plain(inner) for key, inner in value.items()}
        return [plain(inner) for inner in value] if isinstance(value, list | tuple) else value

    entry: dict[str, Any] = plain(to_single_stage_lockfile(stage))
    return entry


def concerns_pipeline(project: Project, name: str) -> bool:
    """Whether a change of the committed file `name`, relative to the project, might change any stage or its judgement.

    True for whatever a stage reads, and for every file that could hold settings, parameters or DVC's own records.
    """
    path = os.path.join(project.root, name)
    if Path(name).suffix in _MAY_BE_SETTINGS or Path(name).name.startswith(".") or ".dvc" in Path(name).parts:
        return True
    read = (dep.fs_path for stage in project.stages for dep in stage.deps if dep.protocol == "local")
    made = project.producers
    return any(path == other or path.startswith(other + os.sep) for other in (*read, *made))


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
            if isinstance(dep, ParamsDependency):
                read_params(project, dep)
            elif next(project.sources_of(dep), None) is not None:
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
    # The dependency is a folder around outputs: its hash is the workspace's, if that has them as they are known.
    if not dep.exists or any(project.known[out.fs_path].workspace_status() for out in project.sources_of(dep)):
        return False
    dep.save()
    return True


def read_params(project: Project, dep: ParamsDependency) -> None:
    """Give `dep` the present values of its parameters, as its own `save` would. Raises DVC's errors."""
    import dpath
    from dvc_data.hashfile.hash_info import HashInfo

    if not dep.params or not dep.exists or dep.isdir() or dep.repo is not project.repo:
        dep.save()
        return
    if dep.fs_path not in project.param_files:
        from dvc.utils.serialize import load_path

        project.param_files[dep.fs_path] = load_path(dep.fs_path, dep.repo.fs)
    values = {}
    for name in dep.params:
        try:
            values[name] = dpath.get(project.param_files[dep.fs_path], name, separator=".")
        except KeyError:
            dep.save()  # raises what is to be said of a missing parameter
            return
    dep.hash_info = HashInfo(dep.PARAM_PARAMS, values)


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

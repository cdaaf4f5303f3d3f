"""Two digests for a stage: what its result follows from, and what DVC files its result under.

The *stage key* is DVC's run-cache key: command, parameters, and the hashes of what the stage reads. It needs the
results of the stages upstream. The *recipe key* needs none: in place of an upstream result stands the recipe key of the
stage that makes it, down to the committed sources. Equal recipes on two sides mean that there is nothing to measure.
"""

from __future__ import annotations

import os
from collections.abc import Container
from typing import TYPE_CHECKING

from pawl.pipeline.project import Project, stage_name

if TYPE_CHECKING:
    from dvc.stage import PipelineStage


def stage_key(stage: PipelineStage) -> str | None:
    """DVC's run-cache key of a stage whose inputs are resolved; None where DVC would not cache it.

    The same rules as `dvc.stage.cache._can_hash`, but going by the hashes that the dependencies were given, so that
    inputs need not be in the workspace.
    """
    from dvc.stage.cache import _get_cache_hash
    from dvc.stage.serialize import to_single_stage_lockfile

    if why_unkeyed(stage):
        return None
    key: str = _get_cache_hash(to_single_stage_lockfile(stage), key=True)
    return key


def why_unkeyed(stage: PipelineStage) -> str:
    """Why DVC cannot file the stage's result under a key; empty where it can."""
    if stage.always_changed:
        return "it is marked always_changed"
    if not stage.deps:
        return "it declares no dependencies"
    if not stage.outs:
        return "it declares no outputs"
    for dep in stage.deps:
        if dep.protocol != "local" or not dep.def_path or not dep.hash_info:
            return f"its dependency {dep.def_path} lies outside the repository"
    for out in stage.outs:
        if out.persist:
            return f"its output {out.def_path} is marked persist"
        if out.protocol != "local" or not out.is_in_repo:
            return f"its output {out.def_path} lies outside the repository"
    return ""


def recipe_keys(project: Project, given: Container[str] = ()) -> dict[str, str | None]:
    """The recipe key of every stage, by name. None where a dependency mixes committed files with stages' outputs.

    Call after `resolve_inputs` on every stage, so that committed sources have their hashes. What made the outputs in
    `given` (absolute paths) does not count: only that they are read.
    """
    keys: dict[str, str | None] = {}
    for stage in project.stages:
        keys[stage_name(stage)] = _recipe_key(project, stage, keys, given)
    return keys


def _recipe_key(
    project: Project, stage: PipelineStage, known: dict[str, str | None], given: Container[str]
) -> str | None:
    from dvc.dependency import ParamsDependency
    from dvc.utils import dict_sha256

    inputs: dict[str, object] = {}
    for dep in stage.deps:
        if isinstance(dep, ParamsDependency):
            inputs[f"params {dep.def_path}"] = dep.hash_info.value
            continue
        sources = list(project.sources_of(dep))
        if not sources:
            inputs[dep.def_path] = dep.hash_info.value
        elif len(sources) == 1 and not sources[0].fs_path.startswith(dep.fs_path + os.sep):
            out = sources[0]
            if out.fs_path in given:
                origin: object = "given"
            elif out.stage.cmd and not out.stage.frozen:
                origin = known.get(stage_name(out.stage))
                if origin is None:
                    return None
            else:
                origin = out.hash_info.value
            inputs[dep.def_path] = [origin, project.relative(out.fs_path)]
        else:
            return None
    recipe = {"cmd": stage.cmd, "inputs": inputs, "outs": sorted(out.def_path for out in stage.outs)}
    key: str = dict_sha256(recipe)
    return key

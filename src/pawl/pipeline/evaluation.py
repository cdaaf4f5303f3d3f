"""Which stages judge a model, and whether they judge it in the same way on both sides."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pawl.pipeline.project import Project, stage_name
from pawl.schema import Cause, Plan

if TYPE_CHECKING:
    from dvc.output import Output
    from dvc.stage import PipelineStage

_KINDS = ("code", "params", "command")


@dataclass(frozen=True)
class EvaluationChange:
    """What differs between the sides in how a file was made from the model and the data; names as causes have them."""

    own: tuple[str, ...]
    """That only evaluation reads."""
    shared: tuple[str, ...]
    """That what makes the model reads too, such as the network's code."""


def model_outputs(project: Project, patterns: Sequence[str]) -> list[Output]:
    """The outputs of stages that match `patterns` (as in a shell, over paths relative to the project)."""
    return [out for stage in project.stages for out in stage.outs if _is_among_them(project, out, patterns)]


def made_with_models(project: Project, patterns: Sequence[str]) -> dict[str, Output]:
    """Absolute path -> output, of all that the stages make which make a model.

    What lies beside a model, such as its labels or scaling, is of no use to another model, so it goes wherever it goes.
    """
    makers = {stage_name(out.stage) for out in model_outputs(project, patterns)}
    return {out.fs_path: out for stage in project.stages if stage_name(stage) in makers for out in stage.outs}


def evaluating_stages(project: Project, patterns: Sequence[str]) -> list[PipelineStage]:
    """The stages that follow from a model, and neither make one nor lead to one; in running order."""
    models = {out.fs_path for out in model_outputs(project, patterns)}
    leading = _leading_to_a_model(project, patterns)
    following: set[str] = set()
    for stage in project.stages:
        sources = [out for dep in stage.deps for out in project.sources_of(dep)]
        if any(out.fs_path in models or stage_name(out.stage) in following for out in sources):
            following.add(stage_name(stage))
    return [stage for stage in project.stages if stage_name(stage) in following - leading]


def leading_to_results(project: Project, predictions: Sequence[str]) -> set[str]:
    """The names of the stages that make a metric, a plot or predictions, or that one follows from.

    `predictions` are patterns as those of models. Other outputs, such as a package to serve, compare with nothing.
    """
    leading: set[str] = set()
    for stage in reversed(project.stages):
        if any(out.metric or out.plot or _is_among_them(project, out, predictions) for out in stage.outs):
            leading.add(stage_name(stage))
        if stage_name(stage) in leading:
            leading |= {stage_name(other) for other in project.upstream(stage)}
    return leading


def evaluation_keys(project: Project, patterns: Sequence[str]) -> dict[str, str | None]:
    """Per evaluating stage a digest of all that its result follows from but the model; None where not all is known.

    By the hashes of what the stages read, once they have run or were restored: data that was made anew and came out the
    same is the same.
    """
    from dvc.dependency import ParamsDependency
    from dvc.utils import dict_sha256

    models = made_with_models(project, patterns)
    keys: dict[str, str | None] = {}
    for stage in evaluating_stages(project, patterns):
        inputs: dict[str, object] = {}
        for dep in stage.deps:
            made_by = list(project.sources_of(dep))
            if isinstance(dep, ParamsDependency):
                inputs[f"params {dep.def_path}"] = dep.hash_info.value
            elif made_by and all(out.fs_path in models for out in made_by):
                inputs[dep.def_path] = "model"
            elif made_by and stage_name(made_by[0].stage) in keys:
                inputs[dep.def_path] = keys[stage_name(made_by[0].stage)]
            else:
                inputs[dep.def_path] = dep.hash_info.value
        known = all(value is not None for value in inputs.values())
        keys[stage_name(stage)] = dict_sha256({"cmd": stage.cmd, "inputs": inputs}) if known else None
    return keys


def evaluation_differs(
    plan: Plan, head: Project, patterns: Sequence[str], paths: Iterable[str]
) -> dict[str, EvaluationChange]:
    """Those of `paths` (results, relative to the project) whose evaluation has other code, parameters or commands.

    That is of the stage that made the file, and of those between it and the model; not what made model or data, nor
    the environment. A stage that follows from no model, such as a script that trains and measures, is not judged.
    """
    judging = {stage_name(stage): stage for stage in evaluating_stages(head, patterns)}
    planned = {stage.name: stage for stage in plan.stages}
    read_by_training = list(_inputs_of_training(head, patterns))
    causes: dict[str, dict[str, bool]] = {}
    for name, stage in judging.items():
        found: dict[str, bool] = {}
        for other in head.upstream(stage):
            found |= causes.get(stage_name(other), {})
        for cause in planned[name].causes if name in planned else ():
            if cause.kind in _KINDS:
                found[cause.what] = _is_among(cause, read_by_training)
        causes[name] = found
    changes = {}
    for path in paths:
        found = causes.get(_maker(head, path), {})
        if found:
            changes[path] = EvaluationChange(
                own=tuple(what for what, shared in found.items() if not shared),
                shared=tuple(what for what, shared in found.items() if shared),
            )
    return changes


def _is_among_them(project: Project, out: Output, patterns: Sequence[str]) -> bool:
    path = project.relative(out.fs_path) if out.protocol == "local" else ""
    return bool(path) and any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def _leading_to_a_model(project: Project, patterns: Sequence[str]) -> set[str]:
    """The names of the stages that make a model, or that one follows from."""
    leading = {stage_name(out.stage) for out in model_outputs(project, patterns)}
    for stage in reversed(project.stages):
        if stage_name(stage) in leading:
            leading |= {stage_name(other) for other in project.upstream(stage)}
    return leading


def _inputs_of_training(project: Project, patterns: Sequence[str]) -> Iterator[str]:
    """Paths and `file:key` of parameters that the stages which lead to a model read."""
    from dvc.dependency import ParamsDependency

    leading = _leading_to_a_model(project, patterns)
    for stage in project.stages:
        if stage_name(stage) in leading:
            for dep in stage.deps:
                if isinstance(dep, ParamsDependency):
                    yield from (f"{dep.def_path}:{key}" for key in dep.params)
                elif dep.protocol == "local":
                    yield project.relative(dep.fs_path)


def _is_among(cause: Cause, inputs: list[str]) -> bool:
    separator = "." if cause.kind == "params" else "/"
    return cause.kind != "command" and any(
        cause.what == read or cause.what.startswith(read + separator) or read.startswith(cause.what + separator)
        for read in inputs
    )


def _maker(project: Project, path: str) -> str:
    """The name of the stage whose output `path` is or lies in; empty where there is none."""
    absolute = os.path.join(project.root, path)
    for at, out in project.producers.items():
        if out.stage.cmd and (absolute == at or absolute.startswith(at + os.sep)):
            return stage_name(out.stage)
    return ""

"""Which parameters are seeds, what other values they get, and that none of them moves the test set."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import count, islice
from typing import TYPE_CHECKING

from pawl.errors import InputError, nearest
from pawl.pipeline.evaluation import evaluating_stages, made_with_models
from pawl.pipeline.keys import recipe_keys
from pawl.pipeline.project import Project, flatten, stage_name

if TYPE_CHECKING:
    from dvc.stage import PipelineStage

_FIRST = 1_001


def seed_parameters(project: Project, patterns: Sequence[str]) -> dict[str, int]:
    """`file:dotted.key` -> present value of each parameter that a stage reads and a pattern matches, in order.

    After `look_over`. Raises InputError where there is none, or one is no whole number.
    """
    read = {name: value for stage in project.stages for name, value in _params(project, stage).items()}
    found = {name: read[name] for name in sorted(read) if _matches(name, patterns)}
    if not found:
        raise InputError(
            f"no parameter that a stage reads matches noise.seeds ({', '.join(patterns)}): name the seeds of the "
            f'training in pawl.yaml, such as noise: {{seeds: ["params.yaml:train.seed"]}}; {nearest("seed", read)}'
        )
    seeds: dict[str, int] = {}
    for name, value in found.items():
        if isinstance(value, bool) or not isinstance(value, int):
            raise InputError(
                f"{name} is {json.dumps(value, default=str)[:100]}, and a seed must be a whole number: leave it out of "
                "noise.seeds in pawl.yaml."
            )
        seeds[name] = value
    return seeds


def other_seeds(own: Mapping[str, int], trainings: int) -> list[dict[str, int]]:
    """For each of `trainings`, another value for every parameter, never its own; more trainings keep the first ones.

    >>> other_seeds({"a": 1, "b": 1_002}, 2)
    [{'a': 1001, 'b': 1001}, {'a': 1002, 'b': 1003}]
    """
    values = {
        name: list(islice((v for v in count(_FIRST) if v != present), trainings)) for name, present in own.items()
    }
    return [{name: values[name][i] for name in own} for i in range(trainings)]


def check_evaluation_stays(own: Project, other: Project, seeds: Iterable[str], models: Sequence[str]) -> None:
    """Raise InputError where another seed reaches what judges a model otherwise than through the model.

    `other` is the same commit with other seeds; both after `look_over`. A stage that trains and measures in one reads
    no model, so this cannot tell what its seed does.
    """
    keys = [recipe_keys(project, made_with_models(project, models)) for project in (own, other)]
    for stage in evaluating_stages(own, models):
        name = stage_name(stage)
        if keys[0][name] != keys[1][name]:
            moving = seeds_behind(own, stage, seeds, models)
            raise InputError(
                f"{', '.join(moving) or 'a seed'} reaches {name} not only through the model, so it may change the test "
                f"set: leave it out of noise.seeds in pawl.yaml, or add what it makes to models there."
            )


def seeds_behind(project: Project, stage: PipelineStage, seeds: Iterable[str], models: Sequence[str] = ()) -> list[str]:
    """Those of `seeds` that `stage` reads, or a stage that it follows from, other than through a model."""
    given = made_with_models(project, models)
    waiting, names = [stage], dict[str, None]()
    seen = set()
    while waiting:
        one = waiting.pop()
        if stage_name(one) in seen:
            continue
        seen.add(stage_name(one))
        names |= dict.fromkeys(_params(project, one))
        sources = (out for dep in one.deps for out in project.sources_of(dep) if out.fs_path not in given)
        waiting += [out.stage for out in sources if out.stage.cmd]
    return [seed for seed in seeds if seed in names]


def _params(project: Project, stage: PipelineStage) -> dict[str, object]:
    """`file:dotted.key` -> value of the parameters that the stage reads, the file relative to the project."""
    from dvc.dependency import ParamsDependency

    return {
        f"{project.relative(dep.fs_path)}:{name}": leaf
        for dep in stage.deps
        if isinstance(dep, ParamsDependency) and dep.hash_info.value
        for key, value in dep.hash_info.value.items()
        for name, leaf in flatten(value, key)
    }


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)

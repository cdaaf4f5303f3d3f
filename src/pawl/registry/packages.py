"""Which outputs of a pipeline are model packages, and which metrics speak of the model in one."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pawl.errors import InputError
from pawl.pipeline.evaluation import model_outputs
from pawl.pipeline.project import Project, stage_name

if TYPE_CHECKING:
    from dvc.stage import PipelineStage

MLMODEL = "MLmodel"
"""The file that every MLflow model has."""


@dataclass(frozen=True)
class Package:
    """An output folder that is, or is meant to be, a model which MLflow can load."""

    path: str
    """Relative to the project."""
    stage: str
    name: str
    """In the registry."""


def packages_of(project: Project, patterns: Sequence[str], pattern: str, repository: str) -> list[Package]:
    """The stages' outputs that match `patterns`, by path; named by `pattern`, which has {repository} and {model} in it.

    Raises InputError where two would have one name.
    """
    found: dict[str, Package] = {}
    for stage in project.stages:
        for out in stage.outs:
            path = project.relative(out.fs_path) if out.protocol == "local" else ""
            if path and any(fnmatch.fnmatchcase(path, wanted) for wanted in patterns):
                package = Package(path, stage_name(stage), registered_name(pattern, repository, path))
                other = found.setdefault(package.name, package)
                if other is not package:
                    raise InputError(
                        f"{other.path} and {path} would both be registered as {package.name}: "
                        "name one folder otherwise, or take one out of `packages` in pawl.yaml."
                    )
    return sorted(found.values(), key=lambda package: package.path)


def registered_name(pattern: str, repository: str, path: str) -> str:
    """The name in the registry; the owner is left out, because a laptop does not know it, and MLflow takes no slash.

    >>> registered_name("{repository}-{model}", "acme/ct", "packages/digits")
    'ct-digits'
    """
    values = {"{repository}": repository.rsplit("/", 1)[-1], "{model}": PurePosixPath(path).name}
    name = re.sub(r"\{repository\}|\{model\}", lambda found: values[found[0]], pattern)
    return re.sub(r"[^A-Za-z0-9._-]", "-", name)[:200]


def is_package(folder: Path) -> bool:
    """Whether MLflow could load what is there."""
    return (folder / MLMODEL).is_file()


def makers(project: Project, package: Package, models: Sequence[str]) -> list[PipelineStage]:
    """The stages that make what the package is made of: its models (by the patterns of `models`), else the package."""
    stage = project.stage(package.stage)
    assert stage is not None
    made = {out.fs_path for out in model_outputs(project, models)}
    names = {stage_name(out.stage) for dep in stage.deps for out in project.sources_of(dep) if out.fs_path in made}
    return [other for other in project.stages if stage_name(other) in names] or [stage]


def judging_stages(project: Project, package: Package, models: Sequence[str]) -> set[str]:
    """The names of the stages whose metrics speak of the package's model: what makes it, and all that follows."""
    names = {stage_name(stage) for stage in makers(project, package, models)}
    for stage in project.stages:
        if any(stage_name(upstream) in names for upstream in project.upstream(stage)):
            names.add(stage_name(stage))
    return names


def digest_of(project: Project, path: str) -> str | None:
    """The digest of a package as DVC knows it, where it is known."""
    out = project.known.get(os.path.join(project.root, path))
    value = out.hash_info.value if out is not None and out.hash_info else None
    return value.removesuffix(".dir") if value else None


def check_content(project: Project, path: str, digest: str) -> Path:
    """The package's folder in the workspace. Raises InputError where it is not what was measured."""
    folder = Path(project.root) / path
    out = project.producers.get(str(folder))
    present = out.get_hash().value.removesuffix(".dir") if out is not None and folder.is_dir() else None
    if present != digest:
        what = "is not there" if present is None else "is not what was measured"
        raise InputError(f"{folder} {what}: run `pawl promote --step measure` again.")
    return folder

"""Why a stage of head differs from the same stage of base: the inputs that differ, by kind and by name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from pawl.pipeline.project import Project, params_of, stage_name
from pawl.schema import Cause, Machine

if TYPE_CHECKING:
    from dvc.stage import PipelineStage

_ENVIRONMENT = re.compile(
    r"^(requirements.*\.(txt|in)|pyproject\.toml|setup\.(py|cfg)|.*\.lock|package(-lock)?\.json|environment\.ya?ml|"
    r"conda.*\.ya?ml|\.python-version|Pipfile.*|Dockerfile.*|.*\.dockerfile)$"
)
_PIN = re.compile(r"^\s*([A-Za-z0-9][\w.-]{0,100})\s*(?:\[[^\]\n]*\])?\s*==\s*([\w.!+*-]{1,100})", re.MULTILINE)
_MOST_PIN_BYTES = 2_000_000
_MAX_CAUSES = 180
_MAX_FILES_NAMED = 10
_MAX_PACKAGES_NAMED = 10


def find_causes(
    head: Project,
    head_stage: PipelineStage,
    base: Project,
    base_stage: PipelineStage,
    recipes: tuple[dict[str, str | None], dict[str, str | None]],
    changed_files: list[str],
) -> tuple[Cause, ...]:
    """Every input that differs. `recipes` are head's and base's recipe keys; `changed_files` what git says changed.

    For a folder, the changed files in it are named instead of the folder.
    """
    found: list[Cause] = []
    if head_stage.cmd != base_stage.cmd:
        found.append(Cause(kind="command", what="cmd", base=_short(base_stage.cmd), head=_short(head_stage.cmd)))
    found += param_causes(params_of(base_stage), params_of(head_stage))
    found += _file_causes(head, head_stage, base, base_stage, recipes, changed_files)
    head_outs = sorted(out.def_path for out in head_stage.outs)
    base_outs = sorted(out.def_path for out in base_stage.outs)
    if head_outs != base_outs:
        found.append(Cause(kind="command", what="outs", base=_short(base_outs), head=_short(head_outs)))
    return tuple(found[:_MAX_CAUSES])


def param_causes(base: dict[tuple[str, str], Any], head: dict[tuple[str, str], Any]) -> list[Cause]:
    """The parameters, as (file, dotted key) -> value, that differ; True and 1, or 1 and 1.0, differ."""
    causes = []
    for path, key in sorted(base.keys() | head.keys()):
        before, after = (_short(side[path, key]) if (path, key) in side else None for side in (base, head))
        if before != after:
            causes.append(Cause(kind="params", what=f"{path}:{key}"[:2_000], base=before, head=after))
    return causes


def environment_causes(base: Machine | None, head: Machine | None) -> list[Cause]:
    """How the machines that make, or made, the two results differ; none where one of them is not known.

    Such a difference is in no key: it may move a result, and does not make it another recipe.
    """
    if base is None or head is None:
        return []
    pairs: list[tuple[str, str | None, str | None]] = [
        ("device", base.device, head.device),
        ("GPU driver", base.driver, head.driver),
        ("Python", base.python, head.python),
        ("platform", base.platform, head.platform),
    ]
    names = sorted(base.packages.keys() | head.packages.keys())
    packages = [(f"package {name}"[:2_000], base.packages.get(name), head.packages.get(name)) for name in names]
    changed = [pair for pair in packages if pair[1] != pair[2]]
    found = [
        Cause(kind="environment", what=what, base=before, head=after)
        for what, before, after in (*pairs, *changed[:_MAX_PACKAGES_NAMED])
        if before != after
    ]
    if len(changed) > _MAX_PACKAGES_NAMED:
        found.append(Cause(kind="environment", what=f"and {len(changed) - _MAX_PACKAGES_NAMED} more packages"))
    return found


def _file_causes(
    head: Project,
    head_stage: PipelineStage,
    base: Project,
    base_stage: PipelineStage,
    recipes: tuple[dict[str, str | None], dict[str, str | None]],
    changed_files: list[str],
) -> Iterator[Cause]:
    inputs = [
        _inputs(project, stage, keys)
        for project, stage, keys in ((head, head_stage, recipes[0]), (base, base_stage, recipes[1]))
    ]
    for path in sorted(inputs[0].keys() | inputs[1].keys()):
        after, before = inputs[0].get(path), inputs[1].get(path)
        if after == before and (after is None or after[2] is not None):
            continue
        kind, what = (after or before or ("code", path, None))[:2]
        if kind in ("code", "environment"):
            inside = [name for name in changed_files if name == path or name.startswith(f"{path}/")]
            for name in inside[:_MAX_FILES_NAMED] or [path]:
                if _ENVIRONMENT.match(PurePosixPath(name).name):
                    yield from _pin_causes(name, _pins(base.root / name), _pins(head.root / name))
                else:
                    yield Cause(kind="code", what=name[:2_000])
            if len(inside) > _MAX_FILES_NAMED:
                yield Cause(kind="code", what=f"and {len(inside) - _MAX_FILES_NAMED} more in {path}"[:2_000])
        elif kind == "data":
            yield Cause(kind="data", what=what[:2_000], base=_digest(before), head=_digest(after))
        else:
            yield Cause(kind="upstream", what=what[:2_000])


def _pin_causes(file: str, base: dict[str, str], head: dict[str, str]) -> Iterator[Cause]:
    """The packages that a file pins otherwise, each by name; the file alone where that does not tell the difference."""
    changed = [name for name in sorted(base.keys() | head.keys()) if base.get(name) != head.get(name)]
    for name in changed[:_MAX_PACKAGES_NAMED]:
        yield Cause(kind="environment", what=f"{file}: {name}"[:2_000], base=base.get(name), head=head.get(name))
    if not changed:
        yield Cause(kind="environment", what=file[:2_000])
    elif len(changed) > _MAX_PACKAGES_NAMED:
        yield Cause(kind="environment", what=f"and {len(changed) - _MAX_PACKAGES_NAMED} more in {file}"[:2_000])


def _pins(file: Path) -> dict[str, str]:
    """Package -> version of the lines `package==version` of a requirements file; none for any other file."""
    if file.suffix not in (".txt", ".in") or not file.is_file() or file.stat().st_size > _MOST_PIN_BYTES:
        return {}
    text = file.read_text(encoding="utf-8", errors="replace")
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in _PIN.findall(text)}


def _inputs(
    project: Project, stage: PipelineStage, recipes: dict[str, str | None]
) -> dict[str, tuple[str, str, str | None]]:
    """Path -> (kind, name, digest) of each file or folder that the stage reads."""
    from dvc.dependency import ParamsDependency

    found: dict[str, tuple[str, str, str | None]] = {}
    for dep in stage.deps:
        if isinstance(dep, ParamsDependency):
            continue
        path = project.relative(dep.fs_path) if dep.protocol == "local" else dep.def_path
        out = next(project.sources_of(dep), None)
        if out is None:
            found[path] = ("code", path, dep.hash_info.value)
        elif out.stage.cmd and not out.stage.frozen:
            found[path] = ("upstream", stage_name(out.stage), recipes.get(stage_name(out.stage)))
        else:
            found[path] = ("data", project.relative(out.fs_path), out.hash_info.value)
    return found


def _digest(entry: tuple[str, str, str | None] | None) -> str | None:
    return entry[2][:12] if entry and entry[2] else None


def _short(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)[:500]

"""Each single parameter of this repository's tasks re-runs exactly the stages that depend on it."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from pawl.pipeline.plan import Looks, look_over, make_plan
from pawl.pipeline.project import Project, flatten, open_project
from pawl.pipeline.remote import Remote
from pawl.schema import Plan, Revision
from tests.support.repositories import commit, git

ROOT = Path(__file__).parents[1]
# What runs again when a stage does.
FOLLOWING = {
    "fetch": ("fetch", "prepare", "train", "evaluate", "plot", "package"),
    "prepare": ("prepare", "train", "evaluate", "plot", "package"),
    "train": ("train", "evaluate", "plot", "package"),
    # What evaluates a model answers with it: both read the same parameters.
    "evaluate": ("evaluate", "package"),
    "package": ("package",),
}
PARAMETERS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
TASKS = [name for name in PARAMETERS if name != "tasks"]
PARAMETERS["tasks"] = TASKS
# No stage reads where `tasks tune` searches.
STAGE_BLOCKS = {task: {name: block for name, block in PARAMETERS[task].items() if name != "tune"} for task in TASKS}
LEAVES = [key for task in TASKS for key, _ in flatten(STAGE_BLOCKS[task], task)]
# Of each block one parameter is changed with all tasks there, the others with its own alone, which is planned sooner.
WITH_ALL = {key.rpartition(".")[0]: key for key in reversed(LEAVES)}.values()
NOBODY = Revision(commit="0" * 40, name="test")


def looked(root: Path) -> tuple[Project, Looks]:
    project = open_project(root)
    return project, look_over(project, Remote(project, enabled=False))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Project, Looks]:
    """A copy of this repository's pipelines to change, and the unchanged one's looks."""
    folder = tmp_path_factory.mktemp("parameters")
    base, changed = folder / "base", folder / "changed"
    for name in ("src/tasks", "dvc.yaml", "params.yaml", ".dvc/config", ".dvcignore", ".gitignore"):
        target = base / name
        target.parent.mkdir(parents=True, exist_ok=True)
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, target, ignore=ignore) if (ROOT / name).is_dir() else shutil.copy(
            ROOT / name, target
        )
    git(base, "init", "--quiet")
    (base / "params.yaml").write_text(yaml.safe_dump(PARAMETERS, sort_keys=False), encoding="utf-8")
    commit(base, "start")
    shutil.copytree(base, changed)
    return changed, *looked(base)


def plan_with(checkout: tuple[Path, Project, Looks], parameters: Any) -> Plan:
    root, base, base_looks = checkout
    (root / "params.yaml").write_text(yaml.safe_dump(parameters, sort_keys=False), encoding="utf-8")
    head, head_looks = looked(root)
    return make_plan(head, head_looks, base, base_looks, revisions=(NOBODY, NOBODY), changed_files=[])


def other(value: Any) -> Any:
    """A value of the same kind that is not `value`."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return [*value, "more"] if isinstance(value, list) else f"{value}-other"


@pytest.mark.parametrize("key", LEAVES)
def test_a_parameter_reruns_its_stage_and_what_follows(checkout: tuple[Path, Project, Looks], key: str) -> None:
    task, stage, *rest = key.split(".")
    parameters = copy.deepcopy(PARAMETERS)
    place = parameters[task][stage]
    for part in rest[:-1]:
        place = place[part]
    place[rest[-1]] = other(place[rest[-1]])
    if key not in WITH_ALL:
        parameters["tasks"] = [task]
    plan = plan_with(checkout, parameters)
    follows = {f"{name}@{task}" for name in FOLLOWING[stage]}
    assert {planned.name for planned in plan.stages if planned.causes} == follows
    readers = {"evaluate": ("evaluate", "package")}.get(stage, (stage,))
    direct = [planned for planned in plan.stages if planned.name in {f"{name}@{task}" for name in readers}]
    for planned in direct:
        assert [(cause.kind, cause.what) for cause in planned.causes] == [("params", f"params.yaml:{key}")]


def test_where_tune_searches_reruns_nothing(checkout: tuple[Path, Project, Looks]) -> None:
    parameters = copy.deepcopy(PARAMETERS)
    parameters["tabular"]["tune"]["space"] = {"train.C": {"low": 1.0, "high": 2.0}}
    assert not any(planned.causes for planned in plan_with(checkout, parameters).stages)


def test_an_unchanged_file_reruns_nothing(checkout: tuple[Path, Project, Looks]) -> None:
    plan = plan_with(checkout, PARAMETERS)
    assert {(planned.action, planned.base_action) for planned in plan.stages} == {("unchanged", "unneeded")}


def test_leaving_a_task_out_removes_its_stages_and_touches_no_other(checkout: tuple[Path, Project, Looks]) -> None:
    plan = plan_with(checkout, PARAMETERS | {"tasks": ["tabular"]})
    assert sorted(plan.removed_stages) == sorted(
        f"{name}@{task}" for task in TASKS if task != "tabular" for name in FOLLOWING["fetch"]
    )
    assert not any(planned.causes for planned in plan.stages)

"""Pipelines of many stages, in chains of ten, whose results are known but for those of one changed parameter."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from benchmarks.growth import Subject, run_command
from benchmarks.timing import git

CHAIN = 10


def make(root: Path, stages: int) -> None:
    """A repository on a branch that changes one parameter of the last stage of the first chain.

    Results are saved as a run of every stage would, but dvc.lock is written once: DVC reads and writes all of it after
    each stage, which would take most of an hour for a thousand.
    """
    write_repository(
        root,
        {
            "dvc.yaml": "stages:\n" + "".join(_stage(number) for number in range(stages)),
            **{_params_file(first): _params(first) for first in range(0, stages, CHAIN)},
            "data.txt": "rows\n",
            ".gitignore": "/results\n/reports\n",
        },
    )
    _save_results(root)
    commit_all(root, "start")
    git(root, "checkout", "--quiet", "-b", "work")
    changed = f"rate_{CHAIN - 1}: "
    text = _params(0).replace(f"{changed}1\n", f"{changed}2\n")
    (root / _params_file(0)).write_text(text, encoding="utf-8")
    commit_all(root, "work")


def write_repository(root: Path, files: dict[str, str]) -> None:
    """A git and DVC repository without a commit, with those files and what every one has."""
    (root / ".dvc").mkdir()
    git(root.parent, "init", "--quiet", "--initial-branch=main", str(root))
    common = {
        ".dvc/config": "[core]\n    analytics = false\n",
        ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n",
        "pawl.yaml": "tracking: {enabled: false}\n",
    }
    for name, text in (common | files).items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def commit_all(root: Path, message: str) -> None:
    """One commit of everything that is not ignored."""
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message", message)


def _params_file(number: int) -> str:
    return f"params/chain_{number // CHAIN}.yaml"


def _params(first: int) -> str:
    return "".join(f"rate_{number}: 1\n" for number in range(first, first + CHAIN))


def _stage(number: int) -> str:
    read = f"results/{number - 1}.json" if number % CHAIN else "data.txt"
    lines = (
        f"  stage_{number}:",
        f"    cmd: grep -o 'rate_{number}:.*' {_params_file(number)} > results/{number}.json",
        f"    deps: [{read}]",
        f"    params: [{{{_params_file(number)}: [rate_{number}]}}]",
        f"    outs: [results/{number}.json]",
    )
    return "".join(f"{line}\n" for line in lines)


def _save_results(root: Path) -> None:
    from dvc.dvcfile import Lockfile

    from pawl.pipeline.project import open_project

    (root / "results").mkdir()
    project = open_project(root)
    with contextlib.chdir(root), project.repo.lock:
        for number, stage in enumerate(sorted(project.stages, key=lambda stage: int(stage.name.split("_")[1]))):
            (root / f"results/{number}.json").write_text(f"rate_{number}: 1\n", encoding="utf-8")
            stage.save(run_cache=False)
            stage.commit()
            project.repo.stage_cache.save(stage)
        Lockfile(project.repo, "dvc.lock").dump_stages(project.stages)


def _run(root: Path, stages: int) -> None:
    run_command(root, "run")
    results = json.loads((root / "reports" / "stages.json").read_text(encoding="utf-8"))["stages"]
    assert [stage["outcome"] for stage in results].count("trained") == 1, results
    assert len(results) == stages + 1, len(results)


SUBJECT = Subject(
    "stages",
    (10, 30, 100, 300, 1_000),
    make,
    {
        "pawl plan": lambda root, _: run_command(root, "plan"),
        "pawl run, one stage changed": _run,
        "pawl report": lambda root, _: run_command(root, "report"),
    },
)

"""dvc.lock and .gitignore in the order of the pipeline, whichever of its stages happened to end first.

DVC adds to both at the end of each stage. What they held before keeps its place, as with DVC.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from pawl.pipeline.project import Project
from pawl.report.files import write_together


@contextmanager
def in_pipeline_order(project: Project) -> Iterator[None]:
    """What is added to the records inside stands in running order afterwards, also where an error ends it."""
    locks, ignores = _records(project)
    before = {path: _text(path) for path in (*locks, *ignores)}
    try:
        yield
    finally:
        new = {path: _lock_in_order(_text(path), before[path], names) for path, names in locks.items()}
        new |= {path: _lines_in_order(_text(path), before[path], lines) for path, lines in ignores.items()}
        write_together({path: text.encode() for path, text in new.items() if text != _text(path)})


def _records(project: Project) -> tuple[dict[Path, list[str]], dict[Path, list[str]]]:
    """The dvc.lock files with the names, and the .gitignore files with the lines, that stages add, in running order."""
    from pathspec.patterns import GitWildMatchPattern

    locks: dict[Path, list[str]] = {}
    ignores: dict[Path, list[str]] = {}
    for stage in project.stages:
        if getattr(stage, "name", None):
            locks.setdefault(Path(os.path.splitext(stage.path)[0] + ".lock"), []).append(stage.name)  # noqa: PTH122
        for out in stage.outs:
            if out.protocol == "local" and out.is_in_repo:
                folder, name = os.path.split(out.fs_path)
                ignores.setdefault(Path(folder, ".gitignore"), []).append(GitWildMatchPattern.escape(f"/{name}"))
    return locks, ignores


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return ""


def _lock_in_order(text: str, before: str, names: list[str]) -> str:
    """A dvc.lock whose stages that were not in it `before` come last, as in `names`."""
    if text == before:
        return text
    old, now = (list((_parsed(side) or {}).get("stages", ())) for side in (before, text))
    new = [name for name in names if name in now and name not in old]
    if [name for name in now if name not in old] == new:
        return text
    from dvc.utils.serialize import dumps_yaml, parse_yaml_for_update

    data = parse_yaml_for_update(text, "dvc.lock")
    for name in new:
        data["stages"].move_to_end(name)
    return str(dumps_yaml(data))


def _parsed(text: str) -> dict[str, dict[str, object]] | None:
    loaded: dict[str, dict[str, object]] | None = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    return loaded


def _lines_in_order(text: str, before: str, lines: list[str]) -> str:
    """A .gitignore whose lines that were added to what it was `before` come as in `lines`."""
    if text == before or not text.startswith(before):
        return text
    first = before and not before.endswith("\n")  # then what was added begins by ending the last line
    added = text[len(before) :].removeprefix("\n" if first else "").splitlines()
    added.sort(key=lambda line: lines.index(line) if line in lines else len(lines))
    return before + ("\n" if first else "") + "".join(f"{line}\n" for line in added)

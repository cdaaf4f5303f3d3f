"""What a commit says of a task: its parameters, and the metrics that dvc.lock recorded for them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tasks.common.stage.errors import TaskError, nearest
from tasks.common.stage.params import PARAMS_FILE
from tasks.common.stage.paths import TaskPaths
from tasks.overview.commits import Commit
from tasks.overview.contents import Contents

LOCK_FILE = "dvc.lock"
MAX_VALUES = 10_000
MAX_BYTES = 5_000_000

State = Literal["", "not run", "not here (dvc fetch)", "of other parameters", "not of dvc.lock", "cannot be read"]
Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class Row:
    """One task in one commit."""

    commit: Commit
    task: str
    """Empty where it is not known which tasks the commit has."""
    params: Mapping[str, Scalar] = field(default_factory=dict)
    """Value by key without the task, such as `train.C`; lists as JSON."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    state: State = ""
    """Why there are no metrics, or whose they are.

    `of other parameters`: dvc.lock was not brought up to date with params.yaml. `not of dvc.lock`: of a run by hand.
    """


class _UnreadableError(Exception):
    pass


def read_rows(root: Path, commits: Sequence[Commit], advance: Callable[[str], None]) -> Iterator[Row]:
    """The rows of each commit in turn, one for each of its tasks; `advance` is called after each commit.

    What a commit holds is nobody's promise: what cannot be read is said in the row, and is no error.
    """
    with Contents(root) as contents:
        for commit in commits:
            yield from _rows_of(root, contents, commit)
            advance(commit.sha[:7] or "workspace")


def _rows_of(root: Path, contents: Contents, commit: Commit) -> Iterator[Row]:
    try:
        params = _load_yaml(contents.in_commit(commit, PARAMS_FILE))
        lock = _load_yaml(contents.in_commit(commit, LOCK_FILE))
    except _UnreadableError:
        yield Row(commit, "", state="cannot be read")
        return
    listed = params.get("tasks")
    for task in listed if isinstance(listed, list) else ():
        if isinstance(task, str):
            yield _row(root, contents, commit, task, params, lock)


def _row(
    root: Path, contents: Contents, commit: Commit, task: str, params: Mapping[str, Any], lock: Mapping[str, Any]
) -> Row:
    try:
        flat = dict(_flatten(params.get(task)))
    except _UnreadableError:
        return Row(commit, task, state="cannot be read")
    path = TaskPaths(root, task).metrics.relative_to(root).as_posix()
    entries = _entries(lock)
    digest = _digest_of(path, entries)
    # A metrics file that git keeps itself, or of which the workspace has more to say than its lock.
    content = contents.in_commit(commit, path)
    if content is None and digest is None:
        return Row(commit, task, flat, state="not run")
    is_other = content is not None and digest not in (None, hashlib.md5(content, usedforsecurity=False).hexdigest())
    if content is None:
        content = contents.in_cache(digest or "")
    if content is None:
        return Row(commit, task, flat, state="not here (dvc fetch)")
    try:
        metrics = _numbers(content)
    except _UnreadableError:
        return Row(commit, task, flat, state="cannot be read")
    if is_other:
        return Row(commit, task, flat, metrics, "not of dvc.lock")
    return Row(commit, task, flat, metrics, "" if _is_of(task, params, entries) else "of other parameters")


def _load_yaml(content: bytes | None) -> Mapping[str, Any]:
    from ruamel.yaml import YAML, YAMLError

    if content is None:
        return {}
    if len(content) > MAX_BYTES:
        raise _UnreadableError
    try:
        loaded = YAML(typ="safe", pure=True).load(content.decode("utf-8"))
    except (YAMLError, UnicodeDecodeError, ValueError, RecursionError):
        raise _UnreadableError from None
    return loaded if isinstance(loaded, dict) else {}


def _flatten(value: Any, key: str = "") -> Iterator[tuple[str, Scalar]]:
    """The leaves under a block. A file of a few lines can stand for billions of values: that is not read."""
    budget = MAX_VALUES

    def visit(part: Any, name: str) -> Iterator[tuple[str, Scalar]]:
        nonlocal budget
        budget -= 1
        if budget < 0:
            raise _UnreadableError
        if isinstance(part, dict):
            for inner, child in part.items():
                yield from visit(child, f"{name}.{inner}".lstrip("."))
        elif isinstance(part, list):
            for child in part:
                # Counted, for the same reason.
                for _ in visit(child, name):
                    pass
            yield name, json.dumps(part, default=str, ensure_ascii=False)
        else:
            yield name, part if isinstance(part, str | int | float | bool | None) else str(part)

    try:
        yield from visit(value, key)
    except RecursionError:
        raise _UnreadableError from None


def _entries(lock: Mapping[str, Any]) -> Mapping[str, Any]:
    stages = lock.get("stages")
    return stages if isinstance(stages, dict) else {}


def _digest_of(path: str, entries: Mapping[str, Any]) -> str | None:
    for entry in entries.values():
        outs = entry.get("outs") if isinstance(entry, dict) else None
        for out in outs if isinstance(outs, list) else ():
            if isinstance(out, dict) and out.get("path") == path and isinstance(out.get("md5"), str):
                return str(out["md5"])
    return None


def _numbers(content: bytes) -> dict[str, float]:
    try:
        loaded = json.loads(content) if len(content) <= MAX_BYTES else None
    except (ValueError, RecursionError):
        loaded = None
    if not isinstance(loaded, dict):
        raise _UnreadableError
    return {
        str(name): value
        for name, value in loaded.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }


def _is_of(task: str, params: Mapping[str, Any], entries: Mapping[str, Any]) -> bool:
    """Whether every value of the task that the lock recorded is the one in params.yaml."""
    for entry in entries.values():
        files = entry.get("params") if isinstance(entry, dict) else None
        recorded = files.get(PARAMS_FILE) if isinstance(files, dict) else None
        for key, value in (recorded or {}).items() if isinstance(recorded, dict) else ():
            if str(key).split(".")[0] == task and _at(params, str(key)) != value:
                return False
    return True


def _at(params: Mapping[str, Any], key: str) -> Any:
    part: Any = params
    for name in key.split("."):
        part = part.get(name) if isinstance(part, dict) else None
    return part


def choose_tasks(rows: Sequence[Row], tasks: Sequence[str]) -> list[Row]:
    """The rows of these tasks, and of commits that cannot be read; all where none is named. Raises TaskError."""
    known = {row.task for row in rows} - {""}
    for task in tasks:
        if task not in known:
            raise TaskError(f'"{task}" is a task in none of these commits; {nearest(task, known)}')
    return [row for row in rows if not tasks or row.task in (*tasks, "")]

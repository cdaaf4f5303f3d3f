"""`params.yaml`: one block a task, in it one block a stage, checked strictly before any work."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.common.stage.errors import TaskError, nearest
from tasks.common.stage.overrides import apply_overrides

PARAMS_FILE = "params.yaml"

_WORDS = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a text",
    "list_type": "a list",
    "dict_type": "a block of keys",
    "model_type": "a block of keys",
    "model_attributes_type": "a block of keys",
    "finite_number": "a finite number",
}


class StageParams(BaseModel):
    """Base of every stage's parameters: immutable, every key required and known, no value coerced, no NaN."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


P = TypeVar("P", bound=StageParams)


def read_tasks(root: Path) -> tuple[str, ...]:
    """The tasks that `params.yaml` under `root` has the pipelines run. Raises TaskError."""
    names = _read(root).get("tasks")
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise TaskError(f'{PARAMS_FILE}: "tasks" must be a list of task names; write for example: tasks: [digits].')
    return tuple(names)


def read_blocks(root: Path) -> tuple[str, ...]:
    """The tasks that have a block in `params.yaml` under `root`, whether the pipelines run them or not."""
    return tuple(name for name, block in _read(root).items() if isinstance(block, dict))


def check_task(root: Path, task: str) -> None:
    """Raise TaskError where `task` has no block in `params.yaml` under `root`; the pipelines need not run it."""
    known = read_blocks(root)
    if task not in known:
        raise TaskError(f'"{task}" is no task in {root / PARAMS_FILE}; {nearest(task, known)}')


def read_params(root: Path, task: str, stage: str, model: type[P], overrides: Sequence[str] = ()) -> P:
    """The checked block `task.stage` of `params.yaml` under `root`, with the values of KEY=VALUE words set in it.

    Raises TaskError naming the key, the value, and the file or word that it is in.
    """
    content = _read(root)
    block: Any = content
    path = ""
    for key in (task, stage):
        path = f"{path}.{key}".lstrip(".")
        block = block.get(key)
        if not isinstance(block, dict):
            raise TaskError(f'{PARAMS_FILE}: the block "{path}" is missing or is not a block of keys; add it.')
    said = apply_overrides(content, task, stage, overrides)
    try:
        return model.model_validate(block)
    except ValidationError as error:
        raise TaskError(_sentence(error, path, model, said)) from error


def _read(root: Path) -> dict[str, Any]:
    from ruamel.yaml import YAMLError

    path = root / PARAMS_FILE
    try:
        content = copy.deepcopy(_parse(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise TaskError(f"{path} does not exist; run this in the repository, or restore the file from git.") from None
    except UnicodeDecodeError:
        raise TaskError(f"{path} is not UTF-8 text; save it as UTF-8.") from None
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        problem = str(getattr(error, "problem", None) or "cannot be parsed").splitlines()[0]
        raise TaskError(f"{path} is not valid YAML{where} ({problem}); correct it.") from None
    if not isinstance(content, dict):
        raise TaskError(f"{path} must hold keys and values; restore it from git.")
    return content


@functools.lru_cache(maxsize=8)
def _parse(text: str) -> Any:
    # DVC reads YAML 1.2 with the same library: with PyYAML, 1e-3 would be a text here and a number there.
    from ruamel.yaml import YAML

    return YAML(typ="safe", pure=True).load(text)


def _sentence(error: ValidationError, path: str, model: type[StageParams], said: Mapping[str, str]) -> str:
    first = error.errors(include_url=False)[0]
    # Parts in angle brackets are the names of a union's alternatives, which are no keys of the file.
    parts = [str(part) for part in first["loc"] if not str(part).startswith("<")]
    name = ".".join([path, *parts])
    where = next((f'"{word}"' for key, word in said.items() if f"{name}.".startswith(f"{key}.")), PARAMS_FILE)
    if first["type"] == "extra_forbidden":
        siblings = _keys_at(model, parts[:-1])
        return f'{where}: unknown key "{name}"; {nearest(parts[-1], siblings)}'
    if first["type"] == "missing":
        return f'{where}: the key "{name}" is missing; add it.'
    wanted = _WORDS.get(first["type"])
    value = _short(first["input"])
    if wanted:
        return f"{where}: {name} must be {wanted}, but is {value}; change it."
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: {name} is {value}: {message[0].lower()}{message[1:]}; change it."


def _keys_at(model: type[BaseModel], parts: list[str]) -> list[str]:
    for part in parts:
        field = model.model_fields.get(part)
        inner = _models_of(field.annotation) if field else []
        if not inner:
            break
        model = inner[0]
    return list(model.model_fields)


def _models_of(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_of(part)]


def _short(value: object) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."

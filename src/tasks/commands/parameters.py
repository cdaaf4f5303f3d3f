"""The parameters of a stage as its help lists them: key, value, type, and the comment above the key in params.yaml."""

from __future__ import annotations

import json
import textwrap
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tasks.common.stage.params import PARAMS_FILE, check_task, read_params
from tasks.common.stage.run import stage_module

_WIDTH = 100
_NAMES = {int: "whole number", float: "number", bool: "true or false", str: "text", type(None): "null", dict: "block"}
_LIMITS = (("ge", "from"), ("gt", "above"), ("le", "to"), ("lt", "below"))
_LENGTHS = (("min_length", "at least"), ("max_length", "at most"))


@dataclass(frozen=True)
class Parameter:
    """One key of a stage's block."""

    key: str
    """Without the task and the stage, such as `trainer.device`."""
    value: Any
    kind: str
    """What values it takes, in words."""
    comment: str


def parameter_lines(root: Path, task: str, stage: str) -> Iterator[str]:
    """The lines that follow the help of `tasks STAGE` for a task. Raises TaskError for an unknown one."""
    parameters = stage_parameters(root, task, stage)
    if not parameters:
        yield f"The stage {stage} has no parameters."
        return
    yield f"Parameters of the stage {stage} of {task}, with their values in {PARAMS_FILE}:"
    for parameter in parameters:
        yield ""
        yield f"  {parameter.key}={_text(parameter.value)}   ({parameter.kind})"
        yield from textwrap.wrap(parameter.comment, _WIDTH, initial_indent="      ", subsequent_indent="      ")
    yield ""


def stage_parameters(root: Path, task: str, stage: str) -> list[Parameter]:
    """Every parameter of the stage, in the order of params.yaml; the keys of a block in the place of the block."""
    from ruamel.yaml import YAML

    check_task(root, task)
    model = stage_module(stage, task).Params
    read_params(root, task, stage, model)
    text = (root / PARAMS_FILE).read_text(encoding="utf-8")
    # The round-trip loader, because it knows the line of each key.
    block = YAML().load(text)[task][stage]
    return list(_walk(block, model, text.splitlines(), ""))


def kind_of(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    """The type of a pydantic field in words, its limits included.

    >>> from pydantic import Field
    >>> kind_of(Annotated[int, Field(ge=1, le=9)])
    'whole number from 1 to 9'
    """
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return kind_of(arguments[0], [*arguments[1:], *metadata])
    limits = _words(metadata, _LIMITS)
    if origin is Literal:
        *others, last = [_text(argument) for argument in arguments]
        return f"{', '.join(others)} or {last}" if others else last
    if origin in (typing.Union, types.UnionType):
        return ", or ".join(kind_of(argument) for argument in arguments)
    if origin in (list, tuple):
        lengths = _words(metadata, _LENGTHS)
        inner = kind_of(next((argument for argument in arguments if argument is not Ellipsis), str))
        return f"list of {inner}" + (f",{lengths} of them" if lengths else "")
    if origin is dict:
        return "block of keys"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "{" + ", ".join(annotation.model_fields) + "}"
    return _NAMES.get(annotation, str(annotation)) + limits


def _walk(block: Any, model: type[BaseModel], lines: list[str], prefix: str) -> Iterator[Parameter]:
    for key, value in block.items():
        field = model.model_fields[key]
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel) and isinstance(value, Mapping):
            yield from _walk(value, inner, lines, f"{prefix}{key}.")
        else:
            yield Parameter(f"{prefix}{key}", value, _kind_of_field(field), _comment(lines, block.lc.key(key)[0]))


def _kind_of_field(field: FieldInfo) -> str:
    return kind_of(field.annotation, field.metadata)


def _comment(lines: list[str], line: int) -> str:
    """The comment in the lines right above the one of number `line`."""
    start = line
    while start > 0 and lines[start - 1].strip().startswith("#"):
        start -= 1
    return " ".join(text.strip().removeprefix("#").strip() for text in lines[start:line])


def _words(metadata: Sequence[Any], names: Sequence[tuple[str, str]]) -> str:
    """` from 1 to 9` from what pydantic keeps of Field(ge=1, le=9), wherever it keeps it."""
    flat = [item for entry in metadata for item in (entry.metadata if isinstance(entry, FieldInfo) else [entry])]
    found = {
        name: getattr(entry, name) for entry in flat for name, _ in names if getattr(entry, name, None) is not None
    }
    return "".join(f" {word} {_text(found[name])}" for name, word in names if name in found)


def _text(value: Any) -> str:
    """As one writes it in params.yaml and after the sign of equality."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)

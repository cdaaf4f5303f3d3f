"""Where to search: the block `<task>.tune` of params.yaml, checked against the parameters that it names."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError, model_validator

from tasks.common.stage.errors import TaskError, nearest
from tasks.common.stage.params import PARAMS_FILE, StageParams, read_params

STAGE = "train"
SIGNIFICANT_DIGITS = 4


class Numbers(StageParams):
    """Numbers from `low` to `high`, whole ones where both are whole; with `log`, evenly over their logarithms."""

    low: int | float
    high: int | float
    log: bool = False

    @model_validator(mode="after")
    def _is_a_range(self) -> Numbers:
        if self.low >= self.high:
            raise ValueError("low must be below high")
        if self.log and self.low <= 0:
            raise ValueError("low must be above 0 where log is true")
        return self


class Choices(StageParams):
    """Values of any kind to choose from, without an order."""

    choices: Annotated[list[Any], Field(min_length=1)]


class TuneParams(StageParams):
    """`<task>.tune`."""

    metric: Annotated[str, Field(pattern="^val/.+")]
    direction: Literal["minimize", "maximize"]
    space: Annotated[dict[str, Numbers | Choices], Field(min_length=1)]


P = TypeVar("P", bound=StageParams)


def read_space(root: Path, task: str, train_params: type[P]) -> tuple[TuneParams, dict[str, Any]]:
    """The task's search and its block `train` as it is, after each bound and choice was tried on `train_params`.

    Raises TaskError where params.yaml has no such block, or a value of it is none that the stage train would take.
    """
    tune = read_params(root, task, "tune", TuneParams)
    block = read_params(root, task, STAGE, train_params).model_dump()
    for key, domain in tune.space.items():
        where = f'{PARAMS_FILE}: "{task}.tune.space.{key}"'
        known = [f"{STAGE}.{name}" for name in leaves(block)]
        if key not in known:
            raise TaskError(f"{where} names no parameter of {task}.{STAGE}; {nearest(key, known)}")
        values = domain.choices if isinstance(domain, Choices) else [domain.low, domain.high]
        for value in values:
            try:
                train_params.model_validate(with_values(block, {key: value}))
            except ValidationError as error:
                reason = error.errors()[0]["msg"]
                raise TaskError(
                    f"{where} has {json.dumps(value)}, which is no value of {task}.{key} ({reason}); change it."
                ) from None
    return tune, block


def leaves(block: Mapping[str, Any]) -> dict[str, Any]:
    """The values of nested blocks by dotted key.

    >>> leaves({"a": 1, "b": {"c": [2]}})
    {'a': 1, 'b.c': [2]}
    """
    found: dict[str, Any] = {}
    for name, value in block.items():
        if isinstance(value, dict):
            found |= {f"{name}.{inner}": leaf for inner, leaf in leaves(value).items()}
        else:
            found[name] = value
    return found


def with_values(block: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the block `train` with the values of keys such as `train.C` set."""
    changed = copy.deepcopy(dict(block))
    for key, value in values.items():
        *parents, last = key.split(".")[1:]
        inner = changed
        for parent in parents:
            inner = inner[parent]
        inner[last] = value
    return changed


def distributions(tune: TuneParams) -> dict[str, Any]:
    """Optuna's distribution of each key. Choices are their JSON, because Optuna keeps no lists."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, Any] = {}
    for key, domain in tune.space.items():
        if isinstance(domain, Choices):
            found[key] = CategoricalDistribution([json.dumps(choice, sort_keys=True) for choice in domain.choices])
        elif isinstance(domain.low, int) and isinstance(domain.high, int):
            found[key] = IntDistribution(domain.low, domain.high, log=domain.log)
        else:
            found[key] = FloatDistribution(domain.low, domain.high, log=domain.log)
    return found


def to_values(tune: TuneParams, suggested: Mapping[str, Any]) -> dict[str, Any]:
    """The values to train with from what Optuna suggests; numbers of few digits, for they are to be read and written.

    They are rounded before they are tried, so that what is written is what was measured.
    """
    values: dict[str, Any] = {}
    for key, domain in tune.space.items():
        value = suggested[key]
        if isinstance(domain, Choices):
            values[key] = json.loads(value)
        elif isinstance(value, float):
            rounded = float(f"{value:.{SIGNIFICANT_DIGITS}g}")
            values[key] = min(max(rounded, float(domain.low)), float(domain.high))
        else:
            values[key] = value
    return values


def to_suggestion(tune: TuneParams, block: Mapping[str, Any]) -> dict[str, Any] | None:
    """The values that the block `train` has as if Optuna had suggested them, None where they are not in the space."""
    present = {f"{STAGE}.{name}": value for name, value in leaves(block).items()}
    suggestion: dict[str, Any] = {}
    for key, domain in tune.space.items():
        value = present[key]
        if isinstance(domain, Choices):
            if value not in domain.choices:
                return None
            suggestion[key] = json.dumps(value, sort_keys=True)
        elif isinstance(value, bool) or not isinstance(value, int | float) or not domain.low <= value <= domain.high:
            return None
        else:
            suggestion[key] = value
    return suggestion

"""`pawl.yaml`: what DVC's own files cannot say about a repository."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, Field, ValidationError

from pawl.config_blocks import (
    Block,
    Cost,
    Direction,
    ImageSettings,
    MetricRule,
    NoiseSettings,
    Promotion,
    RegistrySettings,
    Resources,
    TrackingSettings,
)
from pawl.errors import InputError, nearest

CONFIG_NAME = "pawl.yaml"
_Rule = TypeVar("_Rule")

# Words in metric names whose better direction nobody disputes; used only where pawl.yaml is silent.
_HIGHER_WORDS = (
    "accuracy",
    "acc",
    "f1",
    "auc",
    "auroc",
    "precision",
    "recall",
    "dice",
    "iou",
    "map",
    "kappa",
    "qwk",
    "r2",
)
_LOWER_WORDS = ("loss", "error", "mae", "mse", "rmse", "mape", "brier", "ece", "perplexity", "wer", "cer")


class Config(Block):
    """Everything in `pawl.yaml`, with the defaults that an absent file means."""

    base: str = "main"
    """The branch that pull requests are measured against."""
    metrics: dict[str, MetricRule] = Field(default_factory=dict)
    """Patterns (as in a shell) over `path:key`, such as `results/*/metrics.json:accuracy`; the first match counts."""
    predictions: list[str] = Field(default_factory=lambda: ["*predictions.parquet"])
    """Patterns (as in a shell) over the outputs that hold a prediction for each test example."""
    manifests: list[str] = Field(default_factory=lambda: ["*manifest.csv"])
    """Likewise for the tables that list the examples of a data set."""
    models: list[str] = Field(default_factory=lambda: ["models/*", "model/*", "model.*", "*/model.*"])
    """Likewise for the models: what reads one judges it, and is run again with base's by --rescore."""
    noise: NoiseSettings = NoiseSettings()
    cost: Cost | None = None
    tracking: TrackingSettings = TrackingSettings()
    images: ImageSettings = ImageSettings()
    promote: Promotion = Promotion()
    packages: list[str] = Field(default_factory=lambda: ["packages/*"])
    """Likewise for the models as MLflow loads them, which `pawl promote` registers."""
    registry: RegistrySettings = RegistrySettings()
    data_tags: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_*?./-]{1,100}$")
    """Pattern of the tags that name versions of the data, such as `dv*`: the scheduled run trains on the newest."""
    stage_environment: list[str] = Field(default_factory=list)
    """Variables that look like secrets and that stages are given all the same."""
    resources: dict[str, Resources] = Field(default_factory=dict)
    """Patterns (as in a shell) over stages' names, such as `train@*`; the first match counts."""

    def resources_of(self, stage: str) -> Resources:
        """What a stage holds: by the first pattern that matches its name, else the defaults."""
        return _first_match(self.resources, stage) or Resources()

    def rule(self, path: str, key: str) -> MetricRule:
        """The rule for one metric: the first pattern that matches, else the defaults."""
        return _first_match(self.metrics, f"{path}:{key}") or MetricRule()

    @property
    def has_primary(self) -> bool:
        """Whether any pattern names a primary metric."""
        return any(rule.primary for rule in self.metrics.values())


def _first_match(rules: Mapping[str, _Rule], name: str) -> _Rule | None:
    return next((rule for pattern, rule in rules.items() if fnmatch.fnmatchcase(name, pattern)), None)


def guess_direction(key: str) -> Direction:
    """The better direction of a metric by its name; "none" where the name does not tell.

    >>> guess_direction("val.f1_macro"), guess_direction("log_loss"), guess_direction("examples")
    ('higher', 'lower', 'none')
    """
    words = key.lower().replace("-", "_").replace(".", "_").replace("/", "_").split("_")
    if any(word in _LOWER_WORDS for word in words):
        return "lower"
    return "higher" if any(word in _HIGHER_WORDS for word in words) else "none"


def load_config(root: Path, path: Path | None = None) -> Config:
    """`pawl.yaml` of the repository at `root`, or the file at `path`.

    An absent `pawl.yaml` means the defaults; an absent `path` that somebody named is an InputError, like any file that
    is not what it should be.
    """
    file = path or root / CONFIG_NAME
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        if path is None:
            return Config()
        raise InputError(f"{file} does not exist: give an existing file to --config, or leave it out.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read: {error}.") from None
    return parse_config(text, str(file))


def parse_config(text: str, source: str) -> Config:
    """A Config from YAML; `source` names the file in errors. Raises InputError on anything unknown or ill-typed."""
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        raise InputError(f"{source} is not valid YAML{where}: {problem}.") from None
    if data is None:
        return Config()
    if not isinstance(data, dict):
        raise InputError(f"{source} must hold keys and values, not {type(data).__name__}: see docs/settings.md.")
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise InputError(f"{source}: {_first_problem(error)}") from None


def _first_problem(error: ValidationError) -> str:
    """The first thing wrong, as a sentence that names the key, and the nearest known one where the key is unknown."""
    problem = error.errors(include_url=False)[0]
    location = [str(part) for part in problem["loc"]]
    dotted = ".".join(location)
    if problem["type"] == "extra_forbidden":
        return f'unknown key "{dotted}": {nearest(location[-1], _known_keys(location[:-1]))}'
    value: Any = problem.get("input")
    message = problem["msg"].removeprefix("Value error, ")
    return f'"{dotted}" is {value!r}: {message[0].lower()}{message[1:]}.'


def _known_keys(location: list[str]) -> list[str]:
    models: dict[str, type[BaseModel]] = {
        "metrics": MetricRule,
        "resources": Resources,
        "tracking": TrackingSettings,
        "images": ImageSettings,
        "noise": NoiseSettings,
        "cost": Cost,
        "promote": Promotion,
        "registry": RegistrySettings,
    }
    return list((models[location[0]] if location else Config).model_fields)

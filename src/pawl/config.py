"""`pawl.yaml`: what DVC's own files cannot say about a repository."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pawl.errors import InputError, nearest

CONFIG_NAME = "pawl.yaml"
Direction = Literal["higher", "lower", "none"]
_Rule = TypeVar("_Rule")
_BRANCH_PART = "[A-Za-z0-9][A-Za-z0-9_-]*"

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


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class MetricRule(_Block):
    """How to judge the metrics that one pattern names."""

    direction: Direction | None = None
    """Which way is better; None: guessed from the name."""
    tolerance: float | None = Field(default=None, ge=0)
    """Absolute difference, in the metric's own unit, that does not matter; None: none is named."""
    non_inferiority: bool = False
    """Whether the gate demands to be shown that a loss, if any, is smaller than the tolerance."""
    primary: bool = False
    """Whether the gate is decided by it."""
    beats: str | None = None
    """Key of the same file, such as `majority_baseline_accuracy`, that it must be better than for the gate to open."""

    @model_validator(mode="after")
    def _beats_in_a_direction(self) -> Self:
        if self.beats and not (self.primary and self.direction in ("higher", "lower")):
            raise ValueError("beats needs primary: true, and direction: higher or lower, beside it")
        return self

    @model_validator(mode="after")
    def _inferior_by_how_much(self) -> Self:
        if self.non_inferiority and not (self.primary and self.tolerance):
            raise ValueError("non_inferiority needs primary: true, and a tolerance above 0, beside it")
        return self


class TrackingSettings(_Block):
    """Where runs are logged."""

    enabled: bool = True
    uri: str | None = None
    """None: MLFLOW_TRACKING_URI, and without that a SQLite file in .pawl/."""
    experiment: str | None = None
    """None: the repository's name."""


class Resources(_Block):
    """What a stage holds while it runs, of the cores and GPUs that the stages share."""

    cpus: int = Field(default=1, ge=1)
    """Of the `--jobs`."""
    gpus: int | None = Field(default=None, ge=0)
    """None: one, where the machine has any."""


class NoiseSettings(_Block):
    """What `pawl noise` varies, and where it writes what came of it."""

    seeds: list[str] = Field(default_factory=lambda: ["*:*train*seed*"])
    """Patterns (as in a shell) over `file:dotted.key` of the parameters that stages read."""
    file: str = Field(default="noise.json", pattern=r"\.json$")
    """Path below the folder of `dvc.yaml`."""

    @field_validator("file")
    @classmethod
    def _inside(cls, path: str) -> str:
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise ValueError("it must lie below the folder of dvc.yaml")
        return path


class ImageSettings(_Block):
    """Where the pictures of a comment are kept, since GitHub shows none that come with the text."""

    where: Literal["branch", "bucket", "none"] = "branch"
    """A branch of the same repository, which whoever may see the repository may see; a public bucket; or nowhere."""
    branch: str = Field(default="pawl-images", max_length=100, pattern=rf"^{_BRANCH_PART}(/{_BRANCH_PART})*$")
    """Holds nothing but pictures, and is rewritten."""
    keep_days: int = Field(default=30, ge=1, le=3_650)
    """How long a picture stays on the branch after the last report that showed it."""
    bucket: str | None = Field(
        default=None, pattern=r"^gs://[a-z0-9][a-z0-9._-]{1,61}[a-z0-9](/[A-Za-z0-9][A-Za-z0-9._-]*)*$"
    )
    """`gs://NAME` or `gs://NAME/FOLDER`."""
    address: str | None = Field(default=None, pattern=r"^https://[^\s()<>\"]+$")
    """Where a browser without a login finds the bucket's folder; None: at https://storage.googleapis.com."""

    @model_validator(mode="before")
    @classmethod
    def _one_word(cls, given: Any) -> Any:
        """`images: none` for `images: {where: none}`."""
        return {"where": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _bucket_named(self) -> Self:
        if (self.where == "bucket") != (self.bucket is not None):
            raise ValueError("where: bucket and bucket: gs://NAME need each other")
        if self.address and not self.bucket:
            raise ValueError("address is that of a bucket: name it with bucket: gs://NAME")
        return self


class Promotion(_Block):
    """What happens on main after a merge."""

    lock: Literal["push", "pull-request", "off"] = "pull-request"
    """How dvc.lock, as main's results have it, comes into the repository."""
    reuse: bool | None = None
    """Whether main takes results from the cache that pull requests wrote; None: in private repositories only."""

    @field_validator("lock", mode="before")
    @classmethod
    def _off(cls, given: Any) -> Any:
        """YAML takes the word off for false."""
        return "off" if given is False else given


class Cost(_Block):
    """What the machine costs."""

    per_hour: float = Field(ge=0)
    currency: str = Field(default="EUR", max_length=20)


class Config(_Block):
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
    }
    return list((models[location[0]] if location else Config).model_fields)

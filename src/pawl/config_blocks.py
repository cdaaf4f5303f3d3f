"""The blocks of `pawl.yaml`, each with the defaults that its absence means."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Direction = Literal["higher", "lower", "none"]
_BRANCH_PART = "[A-Za-z0-9][A-Za-z0-9_-]*"


class Block(BaseModel):
    """What all of them have in common: unknown keys and other types are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class MetricRule(Block):
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


class TrackingSettings(Block):
    """Where runs are logged."""

    enabled: bool = True
    uri: str | None = None
    """None: MLFLOW_TRACKING_URI, and without that a SQLite file in .pawl/."""
    experiment: str | None = None
    """None: the repository's name."""
    live: bool = True
    """Whether histories and the machine's numbers are followed while stages run."""
    archive_after_days: int | None = Field(default=None, ge=1, le=36_500)
    """Runs that ended longer ago are tagged as archived; None: never. No run is deleted."""
    artifacts_megabytes: float = Field(default=100, ge=0, le=100_000)
    """The most that one run's files may take; what does not fit is left out."""


class Resources(Block):
    """What a stage holds while it runs, of the cores and GPUs that the stages share."""

    cpus: int = Field(default=1, ge=1)
    """Of the `--jobs`."""
    gpus: int | None = Field(default=None, ge=0)
    """None: one, where the machine has any."""
    memory_gb: float | None = Field(default=None, gt=0)
    """In 10^9 bytes: counts where stages run on a cluster; None: any machine will do."""


class NoiseSettings(Block):
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


class ImageSettings(Block):
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


class Promotion(Block):
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


class RegistrySettings(Block):
    """How models are registered, and by whom they must be signed."""

    name: str = Field(default="{repository}-{model}", max_length=150)
    """Of a model; {repository} is its last part, {model} the package folder's name."""
    sign: Literal["key", "keyless", "off"] | None = None
    """None: with the key in PAWL_SIGNING_KEY where it is set, else not at all."""
    public_key: str = Field(default="model-signing.pub", max_length=200)
    """Path below the folder of `dvc.yaml`."""
    identity: str | None = Field(default=None, max_length=500)
    """Whose signatures count without a key: a workflow, as Sigstore's certificates name it."""

    @field_validator("sign", mode="before")
    @classmethod
    def _off(cls, given: Any) -> Any:
        """YAML takes the word off for false."""
        return "off" if given is False else given

    @field_validator("name")
    @classmethod
    def _of_one_model(cls, name: str) -> str:
        if "{model}" not in name:
            raise ValueError("it must have {model} in it, or all models would be one")
        return name

    @field_validator("public_key")
    @classmethod
    def _inside(cls, path: str) -> str:
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise ValueError("it must lie below the folder of dvc.yaml")
        return path

    @model_validator(mode="after")
    def _whose(self) -> Self:
        if (self.sign == "keyless") != (self.identity is not None):
            raise ValueError("sign: keyless and identity: ADDRESS need each other")
        return self


class Cost(Block):
    """What the machine costs."""

    per_hour: float = Field(ge=0)
    currency: str = Field(default="EUR", max_length=20)

"""`/etc/pawl-runner.toml`: what one machine's supervisor has to know."""

from __future__ import annotations

import os
import pwd
import re
import stat
import tomllib
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from pawl.errors import InputError, nearest

DEFAULT_PATH = Path("/etc/pawl-runner.toml")
_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"
_LOCAL_HOSTS = ("127.0.0.1", "::1", "localhost")
_Text = Annotated[str, Field(min_length=1, max_length=1000)]
_AbsolutePath = Annotated[Path, BeforeValidator(lambda value: _absolute(value)), Field(strict=False)]


class Settings(BaseModel):
    """One runner machine. Every key of the file is here, and nothing else may stand in it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    repository: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$")
    """owner/name, for runners of one repository."""
    organization: str | None = Field(default=None, pattern=_NAME)
    """For runners of an organization, in place of `repository`."""
    runner_group: int = Field(default=1, ge=1)
    """Id of the runner group; 1 is the default group."""
    labels: list[Annotated[str, Field(pattern=_NAME)]] = Field(
        default=["self-hosted", "linux", "gpu"], min_length=1, max_length=100
    )
    """What `runs-on` asks for; these and no others."""
    name: str = Field(default_factory=lambda: re.sub(r"[^A-Za-z0-9-]", "-", os.uname().nodename)[:40], pattern=_NAME)
    """How the runners' names begin."""
    api_url: str = "https://api.github.com"
    app_id: int | _Text
    """The GitHub App's id, or its client id."""
    installation_id: int = Field(ge=1)
    key_file: _AbsolutePath
    """The App's private key, which only the supervisor's user may read."""
    runner_folder: _AbsolutePath = Path("/var/lib/pawl-runner/actions-runner")
    """Where GitHub's runner program was unpacked; every job gets a copy."""
    work_folder: _AbsolutePath = Path("/var/lib/pawl-runner/work")
    lease_folder: _AbsolutePath = Path("/run/pawl-gpus")
    """Where the GPUs' locks are; the same for all supervisors of the machine."""
    users: list[_Text] = Field(default_factory=list)
    """The unprivileged user of each slot (name or number), where the supervisor runs as root."""
    same_user: bool = False
    """Whether a supervisor that is not root may run jobs as its own user, which can read the App's key."""
    slots: int = Field(default=1, ge=1, le=64)
    """How many jobs run at once."""
    gpus_per_slot: int = Field(default=1, ge=0)
    gpus: list[Annotated[str, Field(pattern=r"^(\d+|(GPU|MIG)-[\w/-]+)$")]] | None = None
    """The GPUs to share out, as CUDA_VISIBLE_DEVICES names them; None: all that nvidia-smi tells."""
    job_seconds: float = Field(default=12 * 3600, gt=0)
    """After which a job that goes on is ended."""
    idle_seconds: float = Field(default=12 * 3600, gt=0)
    """After which a runner without a job is replaced by a new one."""
    grace_seconds: float = Field(default=600, ge=0)
    """How long a job may go on when the supervisor is stopped."""
    cache_folder: _AbsolutePath | None = None
    """The DVC cache that the jobs share."""
    cache_cap_bytes: int | None = Field(default=None, ge=0)
    """Above it, what was not used for longest is removed between jobs."""
    environment: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], str] = Field(default_factory=dict)
    """Variables that every job is given."""

    @field_validator("api_url")
    @classmethod
    def _is_safe(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOCAL_HOSTS):
            raise ValueError("it must begin with https://, because the App's tokens go there")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if (self.repository is None) == (self.organization is None):
            raise ValueError("give either repository or organization")
        if self.users and (len(self.users) != self.slots or len(set(self.users)) != self.slots):
            raise ValueError(f"users must name one user for each of the {self.slots} slots, all different")
        if self.cache_cap_bytes is not None and self.cache_folder is None:
            raise ValueError("cache_cap_bytes needs cache_folder beside it")
        secret = next((name for name in self.environment if name.upper().startswith("ACTIONS_RUNNER_INPUT")), None)
        if secret:
            raise ValueError(f"environment must not set {secret}, which is the supervisor's to set")
        return self

    @property
    def owner_path(self) -> str:
        """The part of the API's paths that names whose runners they are."""
        return f"/repos/{self.repository}" if self.repository else f"/orgs/{self.organization}"

    @property
    def permission(self) -> str:
        """The one permission that the installation's token is asked for."""
        return "administration" if self.repository else "organization_self_hosted_runners"

    def slot_folder(self, slot: int) -> Path:
        """Everything that belongs to one slot, counted from 1."""
        return self.work_folder / f"slot-{slot}"


def load_settings(path: Path) -> Settings:
    """The settings in the TOML file. Raises InputError on anything unknown, ill-typed or contradictory."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: write it as docs/runner.md shows, or name it by --config.") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from None
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        raise InputError(f"{path}: {_first_problem(error)}") from None


def read_key(settings: Settings) -> bytes:
    """The App's private key as PEM. Raises InputError where it cannot be read, or others than this user could."""
    path = settings.key_file
    try:
        with path.open("rb") as handle:
            status = os.fstat(handle.fileno())
            if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
                raise InputError(
                    f"{path} can be read or changed by others than the supervisor's user:"
                    f" `chown {_user_name(os.geteuid())} {path} && chmod 600 {path}`."
                )
            key = handle.read()
    except OSError as error:
        raise InputError(f"{path}, the App's private key, cannot be read: {error.strerror}.") from None
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        if isinstance(load_pem_private_key(key, None), RSAPrivateKey):
            return key
    except (ValueError, TypeError):
        pass
    raise InputError(f"{path} is no RSA private key in PEM: download a new one from the App's page.")


def _absolute(value: Any) -> Any:
    if isinstance(value, str):
        if not value.startswith("/"):
            raise ValueError("it must be an absolute path")
        return Path(value)
    return value


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_input=False)[0]
    dotted = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f'unknown key "{dotted}": {nearest(dotted, Settings.model_fields)}.'.replace("?.", "?")
    if problem["type"] == "missing":
        return f'the key "{dotted}" is missing.'
    message = problem["msg"].removeprefix("Value error, ")
    return f'"{dotted}": {message[0].lower()}{message[1:]}.' if dotted else f"{message}."

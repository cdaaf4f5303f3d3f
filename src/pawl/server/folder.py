"""The folder that holds everything of a server: data, passwords, logs, and what runs in it now."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pawl.errors import InputError
from pawl.report.files import write_beside

ADMIN = "admin"
_LEAST_PASSWORD_CHARACTERS = 12
"""Of MLflow's."""


def new_password() -> str:
    """32 characters at random, none of which has to be escaped anywhere."""
    return secrets.token_urlsafe(24)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Passwords(_Strict):
    """Every password of a server, made at random; only the folder's owner can read the file."""

    superuser: str = Field(default_factory=new_password, min_length=_LEAST_PASSWORD_CHARACTERS)
    """Of PostgreSQL's own account, which pawl alone uses."""
    tracking: str = Field(default_factory=new_password, min_length=_LEAST_PASSWORD_CHARACTERS)
    """With which MLflow reaches its runs and models in the database."""
    auth: str = Field(default_factory=new_password, min_length=_LEAST_PASSWORD_CHARACTERS)
    """With which MLflow reaches its users in the database."""
    store_owner: str = Field(default_factory=new_password, min_length=_LEAST_PASSWORD_CHARACTERS)
    """Secret key of who may make buckets, which pawl alone uses."""
    store: str = Field(default_factory=new_password, min_length=_LEAST_PASSWORD_CHARACTERS)
    """Secret key with which MLflow reaches its bucket."""
    flask: str = Field(default_factory=new_password, min_length=_LEAST_PASSWORD_CHARACTERS)
    """With which MLflow signs its forms."""
    users: dict[str, str] = Field(default_factory=lambda: {ADMIN: new_password()})
    """Of those who log in to MLflow, by name."""


class Standing(_Strict):
    """What runs in a folder now, for commands that talk to it."""

    pid: int = Field(gt=1)
    database_port: int = Field(gt=0, lt=65536)
    store_port: int = Field(gt=0, lt=65536)
    tracking_port: int = Field(gt=0, lt=65536)

    @property
    def uri(self) -> str:
        """MLflow's address."""
        return f"http://127.0.0.1:{self.tracking_port}"


class Folder:
    """The places in a server's folder; makes the folder where there is none."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self.database = self.path / "database"
        self.store = self.path / "store"
        self.tracking = self.path / "tracking"
        self.logs = self.path / "logs"
        self._passwords = self.path / "passwords.json"
        self._standing = self.path / "standing.json"

    def make(self) -> None:
        """The folder and what is in it, closed to others. Raises InputError where that cannot be."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            # Another user, as whom PostgreSQL may run, passes through to its own folder, and sees nothing else.
            self.path.chmod(0o711)
            for place in (self.store, self.tracking, self.logs):
                place.mkdir(exist_ok=True, mode=0o700)
            ignore = self.path / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n", encoding="utf-8")
        except OSError as error:
            raise InputError(
                f"{self.path} cannot hold a server ({error.strerror}): name another by --folder."
            ) from None

    @property
    def holds_data(self) -> bool:
        """Whether a server has been here."""
        return self.database.exists() or (self.store.is_dir() and any(self.store.iterdir()))

    def passwords(self) -> Passwords:
        """Those of the file, which is made where there is none."""
        try:
            content = self._passwords.read_bytes()
        except FileNotFoundError:
            if self.database.exists():
                raise InputError(f"{self._passwords} is missing, without which the data cannot be read.") from None
            return self.keep(Passwords())
        try:
            return Passwords.model_validate_json(content)
        except ValidationError as error:
            # Not the message: it repeats what the file says.
            where = ".".join(map(str, error.errors()[0]["loc"])) or "its form"
            raise InputError(f"{self._passwords} is not what pawl wrote ({where}): put the file back.") from None

    def keep(self, passwords: Passwords) -> Passwords:
        """Write them; what comes back is what was given."""
        content = json.dumps(passwords.model_dump(), indent=2) + "\n"
        write_beside(self._passwords, content.encode(), 0o600).replace(self._passwords)
        return passwords

    def standing(self) -> Standing | None:
        """What runs here now, if anything does."""
        try:
            if not self._is_locked():
                return None
            return Standing.model_validate_json(self._standing.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def announce(self, standing: Standing) -> None:
        """Let other commands know what runs here."""
        write_beside(self._standing, standing.model_dump_json().encode(), 0o600).replace(self._standing)

    def withdraw(self) -> None:
        """Nothing runs here any more."""
        self._standing.unlink(missing_ok=True)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep others from running a server here. Raises InputError where one does."""
        file = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise InputError(f"a server runs in {self.path} already: stop it, or name another folder.") from None
            yield
        finally:
            os.close(file)

    def _is_locked(self) -> bool:
        file = os.open(self.path / "lock", os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(file)
        return False

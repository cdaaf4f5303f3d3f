"""The DVC remotes that results are taken from and sent to."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pawl.errors import InputError, PawlError, ServiceError
from pawl.pipeline.project import Project, one_line
from pawl.pipeline.scopes import PULL_REQUESTS_REMOTE
from pawl.waiting import bytes_in, patience_seconds, request_seconds, within

if TYPE_CHECKING:
    from dvc_data.hashfile.hash_info import HashInfo


@dataclass
class Remote:
    """The remotes that results may be taken from; contacted only when something is not on this machine.

    They are DVC's default one, and where pull requests have one of their own, that one after it.
    """

    project: Project
    enabled: bool = True
    pull_requests_only: bool = False
    """Whether the pull requests' own is meant, and it alone."""
    _looked_up: set[str] = field(default_factory=set)
    _gave_up: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Their names, in the order in which they are asked; none where there is none or they are switched off."""
        if not self.enabled:
            return ()
        config = self.project.repo.config
        default = None if self.pull_requests_only else config["core"].get("remote")
        own = PULL_REQUESTS_REMOTE if PULL_REQUESTS_REMOTE in config["remote"] else None
        return tuple(dict.fromkeys(name for name in (default, own) if name))

    def fetch_receipts(self, key: str) -> None:
        """Copy the remotes' run-cache entries for `key` into the local run-cache."""
        if key in self._looked_up:
            return
        self._looked_up.add(key)
        for name in self.names:
            self._ask(name, lambda name=name: self._copy_receipts(name, key))  # type: ignore[misc]

    def _copy_receipts(self, name: str, key: str) -> None:
        cache, odb = self.project.repo.stage_cache, self._store(name)
        if odb.fs.protocol in ("http", "https"):
            return  # they cannot list what they hold, so DVC keeps no run-cache there either
        folder = odb.fs.join(odb.path, "runs", key[:2], key)
        for path in odb.fs.find(folder) if odb.fs.exists(folder) else []:
            _download(odb, path, Path(cache._get_cache_path(key, odb.fs.name(path))))

    def pull(self, objects: set[HashInfo]) -> None:
        """Fetch objects into the local cache; what no remote has stays missing, without an error."""
        for name in self.names:
            missing = {item for item in objects if not self.project.repo.cache.local.exists(item.value)}
            if missing:
                self._pull_from(name, missing)

    def _pull_from(self, name: str, objects: set[HashInfo]) -> None:
        from dvc.exceptions import FileTransferError

        started = time.monotonic()
        try:
            within(
                patience_seconds(),
                lambda: self.project.repo.cloud.pull(objects, remote=name),
                lambda: bytes_in(self.project.repo.cache.local_cache_dir),
            )
        except FileTransferError as error:
            # What is there and does not come after that many tries is no reason to train for hours what is known.
            if time.monotonic() - started > request_seconds() and all(self._has(name, item) for item in objects):
                raise self._unreachable(name, ConnectionError(one_line(error))) from error
            # Else the caller looks at what is here.
        except Exception as error:
            raise self._unreachable(name, error) from error

    def has(self, objects: set[HashInfo]) -> bool:
        """Whether every one of `objects` is held by one of the remotes."""
        return all(any(self._has(name, item) for name in self.names) for item in objects) and bool(self.names)

    def _has(self, name: str, item: HashInfo) -> bool:
        return bool(self._ask(name, lambda: self.project.repo.cloud.get_remote_odb(name).exists(item.value)))

    def send(self, source: Path, *parts: str) -> None:
        """Put a file of pawl's or of the run-cache on the first of them, unless it is there already.

        Raises what the remote raises.
        """
        odb = self._store(self.names[0])
        target = odb.fs.join(odb.path, *parts)
        if not odb.fs.exists(target):
            odb.fs.makedirs(odb.fs.parent(target))
            odb.fs.put_file(str(source), target)

    def fetch(self, target: Path, *parts: str) -> None:
        """Bring such a file here, where there is one and this machine lacks it; never an error."""
        for name in self.names:
            if target.exists() or self._gave_up:
                return
            try:
                within(patience_seconds(), lambda name=name: self._copy(name, target, *parts))  # type: ignore[misc]
            except Exception:
                self._gave_up = True  # what can be done without is not waited for again and again

    def _copy(self, name: str, target: Path, *parts: str) -> None:
        odb = self._store(name)
        source = odb.fs.join(odb.path, *parts)
        if odb.fs.protocol not in ("http", "https") and odb.fs.exists(source):
            _download(odb, source, target)

    def _store(self, name: str) -> Any:
        """Where the run-cache is on that remote."""
        return self.project.repo.cloud.get_remote_odb(name, hash_name="md5-dos2unix")

    def _ask(self, name: str, question: Callable[[], Any]) -> Any:
        try:
            return within(patience_seconds(), question)
        except Exception as error:
            raise self._unreachable(name, error) from error

    def _unreachable(self, name: str, error: Exception) -> PawlError:
        """What to say when the remote does not answer, or DVC cannot ask it."""
        from dvc.exceptions import DvcException
        from dvc_objects.fs.errors import AuthError, ConfigError, RemoteMissingDepsError

        url = self.project.repo.config["remote"].get(name, {}).get("url", "")
        of_settings = (DvcException, ImportError, AuthError, ConfigError, RemoteMissingDepsError)
        kind = InputError if isinstance(error, of_settings) else ServiceError
        return kind(
            f'the DVC remote "{name}" ({url}) cannot be read: {one_line(error)}. '
            "Check its address and your credentials, or go on without it: --no-remote."
        )


def _download(odb: Any, source: str, target: Path) -> None:
    """Bring one file here, whole or not at all; one that is here stays as it is."""
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.part")
    odb.fs.get_file(source, str(partial))
    partial.replace(target)

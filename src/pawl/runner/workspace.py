"""The folder that one job has, and that nothing of it outlives."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pawl.runner.errors import RunnerError
from pawl.runner.users import JobUser

SHARED_TEMPORARY = (Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"))  # noqa: S108 - cleaned, not written


@dataclass(frozen=True)
class Workspace:
    """What a job is given: all of it below `folder`."""

    folder: Path

    @property
    def program(self) -> Path:
        """The job's copy of the runner program, with the checkout in `_work`."""
        return self.folder / "program"

    @property
    def home(self) -> Path:
        """HOME."""
        return self.folder / "home"

    @property
    def temporary(self) -> Path:
        """TMPDIR."""
        return self.folder / "tmp"


def make(folder: Path, program: Path, cache: Path | None, user: JobUser | None) -> Workspace:
    """A new workspace at `folder`, which must not exist, owned by `user` (None: by this process's).

    The program's files are linked where the job cannot change them, else copied.
    """
    workspace = Workspace(folder)
    folder.mkdir(mode=0o700, parents=True)
    shutil.copytree(program, workspace.program, symlinks=True, copy_function=_copier(user))
    for made in (workspace.home, workspace.temporary):
        made.mkdir(mode=0o700)
    if cache is not None:
        settings = workspace.home / ".config/dvc"
        settings.mkdir(parents=True)
        (settings / "config").write_text(f"[cache]\n    dir = {cache}\n    shared = group\n", encoding="utf-8")
    if user is not None:
        for parent, folders, files in os.walk(folder):
            os.chown(parent, user.uid, user.gid)
            for name in files + folders:
                path = Path(parent, name)
                if path.lstat().st_nlink == 1 or path.is_symlink():
                    os.chown(path, user.uid, user.gid, follow_symlinks=False)
    return workspace


def _copier(user: JobUser | None) -> Callable[[str, str], str]:
    def copy(source: str, target: str) -> str:
        status = Path(source).lstat()
        safe = user is not None and status.st_uid != user.uid and not status.st_mode & 0o022
        if safe and stat.S_ISREG(status.st_mode):
            try:
                os.link(source, target, follow_symlinks=False)
                return target
            except OSError:
                pass  # another file system
        return str(shutil.copy2(source, target, follow_symlinks=False))

    return copy


def wipe(folder: Path) -> None:
    """Remove the folder with all that is in it, read-only folders too, following no link.

    Raises RunnerError where something stays.
    """
    if folder.is_symlink():
        folder.unlink()
    if not folder.exists():
        return
    try:
        folder.chmod(0o700)
        for parent, folders, _ in os.walk(folder):
            for name in folders:
                path = Path(parent, name)
                if not path.is_symlink():
                    path.chmod(0o700)
        shutil.rmtree(folder)
    except OSError as error:
        raise RunnerError(
            f"{error.filename or folder} cannot be removed ({error.strerror}): remove it by hand."
        ) from None


def wipe_temporary(user: JobUser, folders: tuple[Path, ...] = SHARED_TEMPORARY) -> None:
    """Remove what the job's user left in the machine's temporary folders."""
    for folder in folders:
        for path in folder.iterdir() if folder.is_dir() else []:
            try:
                if path.lstat().st_uid != user.uid:
                    continue
                if stat.S_ISDIR(path.lstat().st_mode):
                    wipe(path)
                else:
                    path.unlink()
            except FileNotFoundError:
                continue

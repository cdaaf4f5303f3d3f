"""Files as they were in a commit, from git or from DVC's cache on this machine."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

from tasks.overview.commits import WORKSPACE, Commit, run_git


class Contents:
    """To be used in a `with` block: one git process and one look at DVC's settings answer every question in it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._prefix = run_git(root, "rev-parse", "--show-prefix").rstrip("\n")
        self._git = subprocess.Popen(
            ["git", "cat-file", "--batch"], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._cache: Any = None
        self._cache_is_known = False

    def __enter__(self) -> Contents:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._git.communicate()

    def in_commit(self, commit: Commit, path: str) -> bytes | None:
        """The file at `path` under the root, None where there is none."""
        if commit is WORKSPACE:
            file = self._root / path
            return file.read_bytes() if file.is_file() else None
        if self._git.stdin is None or self._git.stdout is None or "\n" in path:
            return None
        self._git.stdin.write(f"{commit.sha}:{self._prefix}{path}\n".encode())
        self._git.stdin.flush()
        header = self._git.stdout.readline().split()
        if header[-1:] == [b"missing"]:
            return None
        content = self._git.stdout.read(int(header[2]))
        self._git.stdout.read(1)
        return content if header[1] == b"blob" else None

    def in_cache(self, digest: str) -> bytes | None:
        """The file that DVC keeps under this MD5, None where it is not on this machine."""
        if not self._cache_is_known:
            self._cache, self._cache_is_known = self._open_cache(), True
        if self._cache is None or not digest.isalnum():
            return None
        file = Path(self._cache.oid_to_path(digest))
        return file.read_bytes() if file.is_file() else None

    def _open_cache(self) -> Any:
        from dvc.exceptions import DvcException
        from dvc.repo import Repo

        try:
            with Repo(str(self._root)) as repo:
                return repo.cache.local
        except DvcException:
            return None

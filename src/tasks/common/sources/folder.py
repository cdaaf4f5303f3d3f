"""A folder of this repository as a source, pinned by one digest over its names and contents."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from tasks.common.sources.copying import Open, copy_all
from tasks.common.sources.source import SOURCE_FILE, FolderSource
from tasks.common.stage.errors import TaskError
from tasks.common.stage.params import PARAMS_FILE
from tasks.common.stage.paths import TaskPaths


def copy_folder(paths: TaskPaths, source: FolderSource, folder: Path) -> dict[str, Any]:
    """Copy what is in `source` into `folder`; its path, digest and number of files. Raises TaskError."""
    original = _find(paths, source, folder)
    files = _list_files(original, source.path)
    if not files:
        raise TaskError(f"{_key(paths)}.path is {source.path!a}, which has no files in it; add the data there.")
    # The digest is of the very bytes that were copied: the originals may change at any moment.
    digests = copy_all(files, folder, f"fetch {paths.task}", ["sha256"])
    digest = folder_digest({name: sha256 for name, (sha256,) in digests.items()})
    if source.sha256 != digest:
        was = f"is {source.sha256!a}" if source.sha256 else "is missing"
        raise TaskError(
            f"{_key(paths)}.sha256 {was}, which is not the digest of the folder {source.path!a}; "
            f"if its {len(files)} files are the ones you mean, set this line: sha256: {digest}"
        )
    return {"path": source.path, "sha256": digest, "files": len(files)}


def folder_digest(digests: Mapping[str, str]) -> str:
    """One SHA-256 over relative names and the SHA-256 of each file, whatever their order: 64 hexadecimal digits.

    It is that of the lines `sha256sum` writes, sorted by name: `sha256sum FILES | LC_ALL=C sort -k2 | sha256sum`.
    """
    lines = [f"{digests[name]}  {name}\n".encode() for name in sorted(digests, key=str.encode)]
    return hashlib.sha256(b"".join(lines)).hexdigest()


def _key(paths: TaskPaths) -> str:
    return f"{PARAMS_FILE}: {paths.task}.fetch.source"


def _find(paths: TaskPaths, source: FolderSource, folder: Path) -> Path:
    root = paths.root.resolve()
    original = (root / source.path).resolve()
    if not original.is_relative_to(root):
        raise TaskError(f"{_key(paths)}.path is {source.path!a}, outside of the repository; copy the folder into it.")
    if not original.is_dir():
        raise TaskError(
            f"{_key(paths)}.path is {source.path!a}, which is no folder in the repository; "
            "add it, or fetch it with dvc pull if DVC tracks it."
        )
    if folder.resolve().is_relative_to(original):
        raise TaskError(
            f"{_key(paths)}.path is {source.path!a}, where fetch itself writes; name the data's own folder."
        )
    return original


def _list_files(original: Path, shown: str) -> dict[str, Open]:
    files: dict[str, Open] = {}
    for parent, folders, names in os.walk(original):
        folders.sort()
        for name in sorted([*folders, *names]):
            path = Path(parent, name)
            relative = path.relative_to(original).as_posix()
            if path.is_symlink():
                raise TaskError(f"{shown}: {relative!a} is a link, which is not followed; put the file itself there.")
            if name in folders:
                continue
            if not path.is_file():
                raise TaskError(f"{shown}: {relative!a} is no ordinary file; take it away.")
            if relative != SOURCE_FILE:
                files[relative] = functools.partial(_open, path)
    return files


def _open(path: Path) -> BinaryIO:
    # Not through a link that has taken the file's place since it was looked at.
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")

"""DVC's listing of a folder: path -> digest of every file in it, known without the files themselves."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from pawl.compare.data.columns import Examples
from pawl.pipeline.project import Project

MAX_BYTES = 200_000_000
_SPLIT_WORDS = {"train", "training", "val", "valid", "validation", "dev", "test", "testing", "eval"}
_MAX_FOLDERS = 1_000
# Empty files are alike without being the same example.
_EMPTY_MD5 = "d41d8cd98f00b204e9800998ecf8427e"


def listing_of(project: Project, path: str) -> dict[str, str] | None:
    """What the pipeline knows of `path`, relative to the project: the files in it with their digests.

    `path` is an output of a stage or of a `.dvc` file, or lies in one, and may as well be a single file, whose name
    then stands alone. Nothing is fetched; None where DVC's cache has no listing, or another than was promised.
    """
    absolute = os.path.normpath(os.path.join(project.root, path))
    for produced, out in (project.producers | project.known).items():
        if absolute != produced and not absolute.startswith(produced + os.sep):
            continue
        if not out.hash_info:
            return None
        if not out.hash_info.isdir:
            return {Path(produced).name: out.hash_info.value} if absolute == produced else None
        entries = out.files or _cached_entries(Path(out.cache.oid_to_path(out.hash_info.value)), out.hash_info.value)
        listed = digests_by_path(entries) if entries is not None else None
        inside = Path(os.path.relpath(absolute, produced)).as_posix()
        if listed is None or inside == ".":
            return listed
        if inside in listed:
            return {Path(inside).name: listed[inside]}
        return {name[len(inside) + 1 :]: md5 for name, md5 in listed.items() if name.startswith(f"{inside}/")} or None
    return None


def digests_by_path(entries: Any) -> dict[str, str] | None:
    """Path -> digest from the entries of a listing; None where they are no such entries."""
    if not isinstance(entries, list):
        return None
    found = {}
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("relpath"), str):
            return None
        digest = next((entry[key] for key in ("md5", "etag", "checksum") if isinstance(entry.get(key), str)), None)
        if digest is None:
            return None
        found[entry["relpath"]] = digest
    return found


def examples_of_listing(listed: Mapping[str, str]) -> Examples:
    """The files as examples, in the order of their paths.

    Their split is the first folder where folders are called train, test and the like; their class is the folder that
    they lie in, where classes are folders: all files equally deep, in two folders or more.
    """
    import pyarrow as pa

    # A listing may hold halves of characters, which arrow cannot.
    listed = {_storable(path): _storable(digest) for path, digest in listed.items()}
    paths = sorted(listed)
    folders = [PurePosixPath(path).parts[:-1] for path in paths]
    nested = [parts for parts in folders if parts]
    by_split = bool(nested) and all(parts[0].lower() in _SPLIT_WORDS for parts in nested)
    start = int(by_split)
    classes = {parts[start:] for parts in nested}
    by_class = all(len(parts) == 1 for parts in classes) and 2 <= len(classes) <= _MAX_FOLDERS
    splits = [parts[0] if parts else None for parts in folders] if by_split else None
    labels = [parts[start] if parts else None for parts in folders] if by_class else None
    return Examples(
        pa.array(paths, pa.string()),
        pa.array(splits, pa.string()) if splits is not None else None,
        pa.array(labels, pa.string()) if labels is not None else None,
        pa.array([None if listed[path] == _EMPTY_MD5 else listed[path] for path in paths], pa.string()),
    )


def _storable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _cached_entries(file: Path, oid: str) -> Any:
    try:
        if file.stat().st_size > MAX_BYTES:
            return None
        content = file.read_bytes()
    except OSError:
        return None
    if f"{hashlib.md5(content, usedforsecurity=False).hexdigest()}.dir" != oid:
        return None
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None

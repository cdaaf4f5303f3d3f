"""A data version as a source: what DVC or git tracks at a path, in a repository, at a revision."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from tasks.common.sources.copying import Open, check_name, copy_all
from tasks.common.sources.source import SOURCE_FILE, DvcSource
from tasks.common.stage.errors import TaskError
from tasks.common.stage.params import PARAMS_FILE
from tasks.common.stage.paths import TaskPaths

if TYPE_CHECKING:
    from dvc.api import DVCFileSystem


def copy_data_version(paths: TaskPaths, source: DvcSource, folder: Path) -> dict[str, Any]:
    """Copy the file or folder that `source` names into `folder`; what was read, with the commit that `rev` meant.

    The content comes from DVC's cache or remote and is compared with the hash that the commit has for it.
    Raises TaskError where the repository, revision, path or data cannot be had.
    """
    from dvc.api import DVCFileSystem

    key = f"{PARAMS_FILE}: {paths.task}.fetch.source"
    path = source.path.strip("/")
    check_name(path, f"{key}.path")
    with _told(key, source):
        fs = DVCFileSystem(repo=_address(paths, source), rev=source.rev)
        try:
            commit = str(fs.repo.get_rev())
            infos = _list_files(fs, path)
            files: dict[str, Open] = {name: functools.partial(_open, fs, info["name"]) for name, info in infos.items()}
            digests = copy_all(files, folder, f"fetch {paths.task}", ["md5"])
        finally:
            fs.close()
    for name, (md5,) in digests.items():
        # Files that git alone tracks have no such hash, and git has checked them itself.
        if infos[name].get("md5", md5) != md5:
            raise TaskError(
                f"{source.repo}: {name!a} in {path!a} at {source.rev!a} is damaged in DVC's cache or remote: "
                f"its MD5 is {md5}, not {infos[name]['md5']}; push it again from where it is whole."
            )
    return {"repo": source.repo, "path": path, "rev": source.rev, "commit": commit, "files": len(files)}


def _address(paths: TaskPaths, source: DvcSource) -> str:
    local = paths.root / source.repo
    return str(local.resolve()) if local.is_dir() else source.repo


def _list_files(fs: DVCFileSystem, path: str) -> dict[str, dict[str, Any]]:
    """Relative names to DVC's facts on the files; a single file goes under its own name."""
    if fs.isfile(path):
        return {path.rpartition("/")[2]: fs.info(path)}
    found: dict[str, dict[str, Any]] = {}
    folders = [""]
    while folders:
        folder = folders.pop()
        for info in fs.ls(f"{path}/{folder}", detail=True):
            # Names come from a listing that anybody may have written: DVC's own walk follows "..", and never ends.
            name = f"{folder}{info['name'].rstrip('/').rpartition('/')[2]}"
            check_name(name, path)
            if info["type"] == "directory":
                folders.append(f"{name}/")
            elif name != SOURCE_FILE:
                found[name] = info
    if not found:
        raise FileNotFoundError(path)
    return dict(sorted(found.items()))


def _open(fs: DVCFileSystem, path: str) -> BinaryIO:
    file: BinaryIO = fs.open(path, "rb")
    return file


@contextmanager
def _told(key: str, source: DvcSource) -> Iterator[None]:
    from dvc.exceptions import DvcException
    from dvc.scm import CloneError, RevError
    from dvc_data.index import DataIndexDirError

    what = f"{source.path!a} at {source.rev!a} in {source.repo!a}"
    try:
        yield
    except TaskError:
        raise
    except RevError as error:
        raise TaskError(
            f"{key}.rev is {source.rev!a}, which {source.repo!a} does not know; "
            "name a tag, branch or commit of it, or get its tags with git fetch --tags."
        ) from error
    except CloneError as error:
        raise TaskError(f"{key}.repo is {source.repo!a}, which git cannot clone; check address and access.") from error
    except DataIndexDirError as error:
        raise TaskError(
            f"{key}: the list of files of {what} is neither in DVC's cache nor on its remote; push it with dvc push."
        ) from error
    except FileNotFoundError as error:
        raise TaskError(
            f"{key}: {what} is not there, or its data is neither in DVC's cache nor on its remote; "
            "correct the path, or push the data with dvc push."
        ) from error
    except DvcException as error:
        sentence = (str(error).splitlines() or [""])[0].rstrip(".")
        raise TaskError(f"{key}: {what} cannot be read ({sentence}); check the repository and its remote.") from error

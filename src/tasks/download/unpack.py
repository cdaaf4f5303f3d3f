"""Unpacking a zip file that anybody may have made: nothing leaves the folder, nothing grows without limit."""

from __future__ import annotations

import shutil
import stat
import zipfile
from pathlib import Path

from tasks.common.sources.copying import check_name
from tasks.common.stage.errors import TaskError
from tasks.common.stage.progress import progress

MAX_FILES = 1_000_000
MAX_BYTES = 500 * 10**9
MAX_RATIO = 200
"""Of a file's size to what it takes in the archive; images do not shrink, and tables do by about ten times."""
MIN_SUSPECT_BYTES = 10**8
"""Smaller files may shrink as they like."""
CHUNK_BYTES = 1 << 20


def unpack(archive: Path, folder: Path, label: str) -> int:
    """Write the files of `archive` into the empty `folder`, each checked by its CRC; how many there are.

    Raises TaskError for an archive that is damaged, encrypted, too large for the disk or for anybody, or that has links
    or names that lead elsewhere; then nothing should be used of what was written.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [member for member in opened.infolist() if not member.is_dir()]
            _check(members, archive, folder)
            with progress(label, len(members), "file") as advance:
                for member in members:
                    _extract(opened, member, folder / member.filename)
                    advance("")
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise TaskError(f"{archive} is a damaged zip file ({error}); remove it and download it again.") from error
    return len(members)


def _check(members: list[zipfile.ZipInfo], archive: Path, folder: Path) -> None:
    total = sum(member.file_size for member in members)
    if not members or len(members) > MAX_FILES or total > MAX_BYTES:
        raise TaskError(f"{archive} holds {len(members)} files of {total / 1e9:.1f} GB; that is no data set of ours.")
    free = shutil.disk_usage(folder).free
    if total > free:
        raise TaskError(f"{archive} needs {total / 1e9:.1f} GB, but {free / 1e9:.1f} GB are free; make room first.")
    names: set[str] = set()
    for member in members:
        check_name(member.filename, str(archive))
        if stat.S_ISLNK(member.external_attr >> 16):
            raise TaskError(f"{archive}: {member.filename!a} is a link; do not use the archive.")
        if member.flag_bits & 1:
            raise TaskError(f"{archive}: {member.filename!a} is encrypted; do not use the archive.")
        if member.file_size > max(MIN_SUSPECT_BYTES, MAX_RATIO * member.compress_size):
            raise TaskError(
                f"{archive}: {member.filename!a} is larger than its content can be; do not use the archive."
            )
        if member.filename.casefold() in names:
            raise TaskError(f"{archive}: two files are called {member.filename!a}; do not use the archive.")
        names.add(member.filename.casefold())


def _extract(opened: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # zipfile stops at the size that the archive states, and compares the CRC there.
    with opened.open(member) as original, path.open("xb") as copy:
        shutil.copyfileobj(original, copy, CHUNK_BYTES)

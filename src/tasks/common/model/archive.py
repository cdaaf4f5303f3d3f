"""Zip archives without clocks, so that equal models are equal bytes."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

# The earliest time that a zip entry can have.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


def read_archive(path: Path) -> dict[str, bytes]:
    """The content of each file in the archive, in its order."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_archive(path: Path, files: Mapping[str, bytes]) -> None:
    """Write the files in the order given, uncompressed, with the same time and rights on every entry."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _NO_TIME)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)

"""Zip archives without clocks and JSON without addresses, so that equal models are equal bytes."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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


def renumber(node: Any, key: str) -> Any:
    """The JSON value `node` with the values under `key`, at any depth, as 1, 2, ... by first appearance.

    >>> renumber([{"id": 90}, {"id": 70}, {"id": 90}], "id")
    [{'id': 1}, {'id': 2}, {'id': 1}]
    """
    numbers: dict[Any, int] = {}

    def visit(part: Any) -> Any:
        if isinstance(part, list):
            return [visit(item) for item in part]
        if isinstance(part, dict):
            return {
                name: numbers.setdefault(value, len(numbers) + 1) if name == key else visit(value)
                for name, value in part.items()
            }
        return part

    return visit(node)

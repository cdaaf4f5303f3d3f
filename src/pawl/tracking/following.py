"""Training histories as they grow: every row that a stage appends to a table below its plots is read once."""

from __future__ import annotations

import csv
import math
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pawl.compare.files import confusion_columns, step_column, tables_in
from pawl.compare.results import curve_name
from pawl.tracking.names import allowed_name

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_PART = re.compile(r"(?:fold|seed|trial|member|repeat)[_-]?\d+|refit", re.IGNORECASE)
_READ_BYTES = 8_000_000
_MOST_STEP = 2.0**63


@dataclass(frozen=True)
class Measured:
    """One number of a history; `part` is the fold, seed, trial or refit it belongs to, empty for the stage itself."""

    part: str
    name: str
    value: float
    step: int
    at_ms: int | None
    """By the row's own time stamp, None where it has none."""


@dataclass
class Table:
    """One growing file. What was read already is not read again, even where the file is written anew from its start."""

    path: Path
    shown: str
    """Its path in the repository, which names the series."""
    declared_step: str | None = None
    _offset: int = 0
    _inode: int = 0
    _is_over: bool = False
    """Whether a last row without an end was taken for whole."""
    _header: list[str] | None = None
    _seen: set[int] = field(default_factory=set)

    def read(self, *, whole: bool = False) -> Iterator[Measured]:
        """The numbers of whole rows that are new; with `whole`, a last row without an end counts too."""
        while data := self._take(whole):
            for line in data.split("\n"):
                yield from self._row(line.rstrip("\r")) if line else ()

    def _take(self, whole: bool) -> str:
        try:
            with self.path.open("rb") as stream:
                size, inode = stream.seek(0, 2), os.fstat(stream.fileno()).st_ino
                stream.seek(max(self._offset - 1, 0))
                # Written anew: shorter, another file, or other rows, so that we stand in the middle of one.
                amid = bool(self._offset) and not self._is_over and stream.read(1) != b"\n"
                anew = size < self._offset or inode != self._inode or amid
                if anew:
                    self._offset, self._header, self._inode = 0, None, inode
                stream.seek(self._offset)
                data = stream.read(_READ_BYTES)
        except OSError:
            return ""
        end = data.rfind(b"\n") + 1
        if whole and self._offset + len(data) == size:
            end = len(data)
            self._is_over = True
        self._offset += end
        return data[:end].decode("utf-8", errors="replace")

    def _row(self, line: str) -> Iterator[Measured]:
        try:
            cells = next(csv.reader([line], delimiter=_DELIMITERS[self.path.suffix]), [])
        except csv.Error:
            return
        if self._header is None:
            self._header = cells
            return
        step_name = None if confusion_columns(self._header) else step_column(self._header, self.declared_step)
        row = dict(zip(self._header, cells, strict=False))
        step = _number(row.get(step_name or ""))
        if step_name is None or step is None or abs(step) >= _MOST_STEP:
            return
        stamp = _number(row.get("timestamp"))
        at_ms = int(stamp) if stamp is not None and 10**11 < stamp < 10**14 else None
        for column, text in row.items():
            value = _number(text)
            if column in (step_name, "timestamp") or value is None:
                continue
            seen = hash((column, step, value))
            if seen not in self._seen:
                self._seen.add(seen)
                part, name = part_of(curve_name(self.shown, column)[1])
                part = part or part_of(self.shown)[0]
                yield Measured(part, allowed_name(name), value, int(step), at_ms)


@dataclass
class History:
    """The tables below one plot of a stage, a file or a folder; files that come later are found too."""

    place: Path
    declared: str
    """The plot's path in the repository."""
    step: str | None = None
    """The column that dvc.yaml names as the x axis."""
    _tables: dict[Path, Table] = field(default_factory=dict)

    def read(self, *, whole: bool = False) -> Iterator[Measured]:
        """What is new in any of them."""
        files: list[Path] = []
        with suppress(OSError):
            files = list(tables_in(self.place))
        for file in files:
            if file not in self._tables:
                inner = "" if file == self.place else f"/{file.relative_to(self.place).as_posix()}"
                self._tables[file] = Table(file, f"{self.declared}{inner}", self.step)
            yield from self._tables[file].read(whole=whole)


def part_of(name: str) -> tuple[str, str]:
    """The fold, seed, trial or refit that a series belongs to, and its name there.

    >>> part_of("fold_0/val/loss"), part_of("head/seed_1/loss"), part_of("refit/loss"), part_of("val/loss")
    (('fold_0', 'val/loss'), ('seed_1', 'head/loss'), ('refit', 'loss'), ('', 'val/loss'))
    """
    folders, _, last = name.rpartition("/")
    parts = folders.split("/") if folders else []
    found = next((part for part in parts if _PART.fullmatch(part)), "")
    if found:
        parts.remove(found)
    return found, "/".join([*parts, last])


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None

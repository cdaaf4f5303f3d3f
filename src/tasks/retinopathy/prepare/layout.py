"""Where photographs and grades are, in either layout of the data.

The original one: train.csv (id_code, diagnosis) and train_images/<id>.png. The split one: annotations.csv (id_code,
diagnosis, and if wanted split) and train/<id>.png, validation/<id>.png and if wanted test/<id>.png.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tasks.common.data.csv_table import Row, Table, read_csv
from tasks.common.data.report import SetAside
from tasks.common.stage.errors import TaskError, nearest

ORIGINAL_FILE, ORIGINAL_FOLDER = "train.csv", "train_images"
SPLIT_FILE = "annotations.csv"
SPLIT_OF_FOLDER = {"train": "train", "validation": "validation", "val": "validation", "test": "test"}
ID, GRADE, SPLIT = "id_code", "diagnosis", "split"
SUFFIXES = (".png", ".jpeg", ".jpg")

# An id becomes a file's name: nothing in it may lead elsewhere.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", re.ASCII)
_GRADE = re.compile(r"[0-9]{1,2}", re.ASCII)


@dataclass(frozen=True)
class Photograph:
    """One photograph that somebody graded."""

    file: Path
    grade: str
    """A whole number from 0."""
    split: str | None
    """The split that the data itself puts it in."""


@dataclass(frozen=True)
class Found:
    """All that a folder of raw data holds."""

    photographs: tuple[Photograph, ...]
    set_aside: tuple[SetAside, ...]
    without_grade: int
    """Photographs that no row names."""


def find_photographs(raw: Path, n_grades: int) -> Found:
    """The photographs in `raw` with a grade below `n_grades`; rows that cannot be used are set aside by their line.

    Raises TaskError where neither layout is there, or its table is none.
    """
    is_split = (raw / SPLIT_FILE).exists()
    if not is_split and not (raw / ORIGINAL_FILE).exists():
        raise TaskError(
            f"{raw} holds neither {ORIGINAL_FILE} nor {SPLIT_FILE}; run the stage fetch, or correct its source."
        )
    table_name = SPLIT_FILE if is_split else ORIGINAL_FILE
    table = read_csv(raw / table_name, missing=())
    columns = _columns(table, raw / table_name)
    set_aside = [SetAside(f"{table_name}, line {row.line}", row.reason) for row in table.rejected]
    rows_of: dict[str, list[tuple[int, Photograph]]] = defaultdict(list)
    for row in table.rows:
        photograph = _photograph(raw, row, columns, is_split, n_grades)
        if isinstance(photograph, str):
            set_aside.append(SetAside(f"{table_name}, line {row.line}", photograph))
        else:
            rows_of[_cell(row, columns[ID])].append((row.line, photograph))
    photographs = []
    for named in rows_of.values():
        first_line, first = named[0]
        differ = [photograph for _, photograph in named if photograph != first]
        for line, photograph in named if differ else named[1:]:
            reason = f"the id of line {first_line} again"
            if differ:
                reason = f"the same id has another grade or split elsewhere (grade {photograph.grade} here)"
            set_aside.append(SetAside(f"{table_name}, line {line}", reason))
        if not differ:
            photographs.append(first)
    named_files = {photograph.file for photograph in photographs}
    folders = SPLIT_OF_FOLDER if is_split else (ORIGINAL_FOLDER,)
    without_grade = sum(file not in named_files for folder in folders for file in _images_in(raw / folder))
    return Found(tuple(photographs), tuple(set_aside), without_grade)


def _columns(table: Table, path: Path) -> dict[str, int]:
    for name in (ID, GRADE):
        if name not in table.columns:
            raise TaskError(f'{path} has no column "{name}"; {nearest(name, table.columns)}')
    return {name: table.columns.index(name) for name in (ID, GRADE, SPLIT) if name in table.columns}


def _photograph(raw: Path, row: Row, columns: dict[str, int], is_split: bool, n_grades: int) -> Photograph | str:
    """What the row says, or why it cannot be used."""
    name, grade = _cell(row, columns[ID]), _cell(row, columns[GRADE])
    if not _ID.fullmatch(name):
        return f"the id {name[:60]!a} cannot be the name of a file"
    if not _GRADE.fullmatch(grade) or int(grade) >= n_grades:
        return f"the grade {grade[:60]!a} is no whole number from 0 to {n_grades - 1}"
    folders = [ORIGINAL_FOLDER]
    if is_split:
        folders = list(SPLIT_OF_FOLDER)
        if SPLIT in columns:
            wanted = _cell(row, columns[SPLIT])
            if wanted not in SPLIT_OF_FOLDER:
                return f"the split {wanted[:60]!a} is none of {', '.join(SPLIT_OF_FOLDER)}"
            folders = [folder for folder in folders if SPLIT_OF_FOLDER[folder] == SPLIT_OF_FOLDER[wanted]]
    files = [raw / folder / f"{name}{suffix}" for folder in folders for suffix in SUFFIXES]
    there = [file for file in files if file.is_file()]
    if len(there) != 1:
        places = ", ".join(folders)
        return f"there {'is no file' if not there else 'are several files'} {name} with an image's ending in {places}"
    split = SPLIT_OF_FOLDER[there[0].parent.name] if is_split else None
    return Photograph(there[0], str(int(grade)), split)


def _cell(row: Row, column: int) -> str:
    return row.cells[column] or ""


def _images_in(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from (path for path in folder.iterdir() if path.suffix in SUFFIXES)

"""The list of studies in the raw folder, whose file names nobody has checked yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tasks.common.data.csv_table import read_csv
from tasks.common.data.report import SetAside
from tasks.common.stage.errors import TaskError
from tasks.prostate.prepare.volumes import ENDINGS, split_ending

TABLE_FILE = "dataset.csv"
COLUMNS = ("PatientID", "T2_path", "wg_path")


@dataclass(frozen=True)
class Study:
    """One examination of one patient: a T2-weighted volume and the mask of the whole gland."""

    id: str
    """The volume's file name without its ending: `<patient>_<study>`."""
    patient: str
    volume: Path
    mask: Path
    source: str
    """The volume's path within the raw folder."""


def list_studies(raw: Path) -> tuple[list[Study], list[SetAside]]:
    """The studies of dataset.csv, or without one those of images/ with a mask of the same name in masks/.

    What has no volume, no mask, a path out of the folder or the id of an earlier study is set aside.
    Raises TaskError where there is no table and no folder, the columns are missing, or no study is left.
    """
    rows, set_aside = _from_table(raw) if (raw / TABLE_FILE).exists() else _from_folders(raw)
    seen: Counter[str] = Counter()
    studies = []
    for where, patient, volume, mask in rows:
        stem = study_of(PurePosixPath(volume).name)
        study = Study(stem, patient.partition("_")[0], raw / volume, raw / mask, volume)
        seen[stem] += 1
        reason = _why_unusable(raw, study, seen[stem])
        if reason:
            set_aside.append(SetAside(where, reason))
        else:
            studies.append(study)
    if not studies:
        first = f", the first because {set_aside[0].source} {set_aside[0].reason}" if set_aside else ""
        raise TaskError(f"{raw}: none of {len(set_aside)} studies can be used{first}; correct the source.")
    return studies, set_aside


def study_of(name: str) -> str:
    """The study that a file is named after, for example `10000_1000000` for `10000_1000000_t2w.mha`."""
    return split_ending(name)[0].removesuffix("_t2w")


def _from_table(raw: Path) -> tuple[Sequence[tuple[str, str, str, str]], list[SetAside]]:
    path = raw / TABLE_FILE
    table = read_csv(path, [""])
    for name in COLUMNS:
        if name not in table.columns:
            raise TaskError(f"{path} has no column {name!a}; it must have the columns {', '.join(COLUMNS)}.")
    places = [table.columns.index(name) for name in COLUMNS]
    set_aside = [SetAside(f"line {row.line}", row.reason) for row in table.rejected]
    rows = []
    for row in table.rows:
        cells = [row.cells[place] for place in places]
        empty = [name for name, cell in zip(COLUMNS, cells, strict=True) if cell is None]
        if empty:
            set_aside.append(SetAside(f"line {row.line}", f"{empty[0]} is empty"))
        else:
            patient, volume, mask = (str(cell) for cell in cells)
            rows.append((f"line {row.line}", patient, volume, mask))
    return rows, set_aside


def _from_folders(raw: Path) -> tuple[Sequence[tuple[str, str, str, str]], list[SetAside]]:
    if not (raw / "images").is_dir():
        raise TaskError(f"{raw} has neither the table {TABLE_FILE} nor a folder images; run the stage fetch first.")
    masks = {study_of(path.name): path for path in _files(raw / "masks")}
    rows, set_aside = [], []
    for volume in _files(raw / "images"):
        source = volume.relative_to(raw).as_posix()
        mask = masks.get(study_of(volume.name))
        if mask is None:
            set_aside.append(SetAside(source, "has no mask of the same name in masks"))
        else:
            rows.append((source, study_of(volume.name), source, mask.relative_to(raw).as_posix()))
    return rows, set_aside


def _files(folder: Path) -> Iterator[Path]:
    """The volumes in a folder and its subfolders, which PI-CAI has one a patient of."""
    return iter(sorted(path for path in folder.rglob("*") if path.name.endswith(ENDINGS) and path.is_file()))


def _why_unusable(raw: Path, study: Study, times_seen: int) -> str | None:
    inside = raw.resolve()
    for column, path in (("T2_path", study.volume), ("wg_path", study.mask)):
        shown = ascii(path.relative_to(raw).as_posix()) if path.is_relative_to(raw) else ascii(str(path))
        if not path.name.endswith(ENDINGS):
            return f"{column} is {shown}, which ends neither in .mha nor in .nii.gz"
        if not path.resolve().is_relative_to(inside):
            return f"{column} is {shown}, outside of the data"
        if not path.is_file():
            return f"{column} is {shown}, which is no file"
    if not study.patient or not study.id.isprintable():
        return "the patient or the study has no name that can be printed"
    return f"the study {study.id} is listed for the second time" if times_seen > 1 else None

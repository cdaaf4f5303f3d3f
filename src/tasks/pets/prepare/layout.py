"""Photographs in folders: `{train,test}/<class>/<name>.jpg`, or `<class>/<name>.jpg` where nobody has split them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.common.data.report import SOURCE_FILE, SetAside
from tasks.common.stage.errors import TaskError

TRAIN, TEST = "train", "test"
SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class Photograph:
    """One file that claims to be an image."""

    path: Path
    label: str
    """The name of its folder."""
    part: str | None
    """`train` or `test` where the source has these folders."""


def list_photographs(raw: Path) -> tuple[list[Photograph], list[SetAside]]:
    """The photographs under `raw` in the order of their names, and files that cannot be any.

    Raises TaskError where there are no folders of classes, or the two parts do not have the same ones.
    """
    if not raw.is_dir():
        raise TaskError(f"{raw} does not exist; run the stage fetch first.")
    parts: list[str | None] = [part for part in (TRAIN, TEST) if (raw / part).is_dir()]
    if TEST in parts and TRAIN not in parts:
        raise TaskError(f"{raw} has a folder {TEST} but none called {TRAIN}; add it, or put the classes right there.")
    photographs: list[Photograph] = []
    set_aside = _strangers(raw, raw, [SOURCE_FILE])
    classes: dict[str | None, list[str]] = {}
    for part in parts or [None]:
        folder = raw / part if part else raw
        if part:
            set_aside += _strangers(raw, folder, [])
        classes[part] = sorted(path.name for path in folder.iterdir() if path.is_dir())
        if len(classes[part]) < 2:
            raise TaskError(
                f"{folder} has {len(classes[part])} folders, but there must be one for each of at least 2 classes, "
                "such as Cat and Dog; correct the source."
            )
        for label in classes[part]:
            for path in sorted((folder / label).iterdir()):
                if path.is_file() and path.suffix.lower() in SUFFIXES:
                    photographs.append(Photograph(path, label, part))
                else:
                    set_aside.append(SetAside(path.relative_to(raw).as_posix(), f"is no {', '.join(SUFFIXES)} file"))
    if TEST in classes and classes[TRAIN] != classes[TEST]:
        only = sorted(set(classes[TRAIN]) ^ set(classes[TEST]))[0]
        raise TaskError(f'{raw}: the class "{only}" is in only one of {TRAIN} and {TEST}; correct the source.')
    return photographs, set_aside


def without_copies(
    photographs: Sequence[Photograph], digests: Sequence[str], raw: Path
) -> tuple[list[Photograph], list[SetAside]]:
    """The photographs to keep, and those set aside because the same file is in the other part or class.

    digests: of the files, one a photograph.

    A file of the train part that is in the test part as well is set aside: the test part stays as it was given. A file
    that is in two classes is set aside in all of them, because one of its labels is wrong and nobody knows which.
    """
    labels: dict[str, set[str]] = {}
    tests: dict[str, str] = {}
    for photograph, digest in zip(photographs, digests, strict=True):
        labels.setdefault(digest, set()).add(photograph.label)
        if photograph.part == TEST:
            tests.setdefault(digest, photograph.path.relative_to(raw).as_posix())
    kept, set_aside = [], []
    for photograph, digest in zip(photographs, digests, strict=True):
        source = photograph.path.relative_to(raw).as_posix()
        if len(labels[digest]) > 1:
            set_aside.append(
                SetAside(source, f"the same file is in the classes {' and '.join(sorted(labels[digest]))}")
            )
        elif photograph.part == TRAIN and digest in tests:
            set_aside.append(SetAside(source, f"is the same file as {tests[digest]}, which judges the model"))
        else:
            kept.append(photograph)
    return kept, set_aside


def _strangers(raw: Path, folder: Path, known: Sequence[str]) -> list[SetAside]:
    return [
        SetAside(path.relative_to(raw).as_posix(), "is in no folder of a class")
        for path in sorted(folder.iterdir())
        if not path.is_dir() and path.name not in known
    ]

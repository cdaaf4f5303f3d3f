"""prepare: crop every photograph to the eye, in one size, split them, and pack them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated

from pydantic import Field

from tasks.common.data.images import decode_images
from tasks.common.data.manifest import Example, check_classes, name_examples, split_examples, write_manifest
from tasks.common.data.report import SetAside, check_share, write_report
from tasks.common.data.shards import write_shards
from tasks.common.data.splits import SPLITS, SplitParams, assign_splits
from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import new_folder, write_json
from tasks.common.stage.params import PARAMS_FILE
from tasks.common.stage.paths import TaskPaths
from tasks.retinopathy.prepare.layout import Photograph, find_photographs
from tasks.retinopathy.prepare.photograph import Framing, frame

FRAMING_FILE = "framing.json"


class Params(SplitParams, Framing):
    """`retinopathy.prepare`."""

    num_classes: Annotated[int, Field(ge=2, le=100)]

    def framing(self) -> Framing:
        """What of it shapes the images."""
        return Framing(image_size=self.image_size, square=self.square, black_level=self.black_level)


def run(paths: TaskPaths, params: Params) -> None:
    """Write photographs-<split>.npy, (N, side, side, 3) uint8, manifest.csv, framing.json and data_report.json."""
    found = find_photographs(paths.raw, params.num_classes)
    with new_folder(paths.prepared) as folder:
        scratch = folder / "decoded.npy"
        decoded = decode_images(
            [photograph.file for photograph in found.photographs],
            partial(frame, framing=params.framing()),
            "RGB",
            side=params.image_size,
            root=paths.raw,
            scratch=scratch,
            label=f"prepare {paths.task}",
        )
        usable = [found.photographs[index] for index in decoded.kept]
        sources = [photograph.file.relative_to(paths.raw).as_posix() for photograph in usable]
        kept, leaks = _without_leaks(usable, sources, decoded.digests)
        set_aside = [*found.set_aside, *decoded.set_aside, *leaks]
        check_share(set_aside, len(kept), params.max_rejected_share, str(paths.raw))
        examples = _split(
            [usable[i] for i in kept], [sources[i] for i in kept], [decoded.digests[i] for i in kept], params
        )
        _check_grades(examples, params.num_classes, str(paths.raw))
        write_manifest(folder, examples, str(paths.prepared), decoded.measures(kept))
        # Choosing rows reads them all into memory: only where it must be.
        images = decoded.images[kept] if leaks else decoded.images
        write_shards(folder, "photographs", images, examples)
        scratch.unlink()
        write_json(folder / FRAMING_FILE, params.framing().model_dump())
        given = any(photograph.split for photograph in usable)
        extra = {"split_given": given, "photographs_without_grade": found.without_grade}
        write_report(paths, folder, examples, set_aside, extra=extra)


def _without_leaks(
    usable: Sequence[Photograph], sources: Sequence[str], digests: Sequence[str]
) -> tuple[list[int], list[SetAside]]:
    """Where the data itself puts the same image in two splits, the copies nearest to the test split are kept."""
    home: dict[str, int] = {}
    for index, photograph in enumerate(usable):
        first = home.setdefault(digests[index], index)
        if photograph.split and SPLITS.index(photograph.split) > SPLITS.index(usable[first].split or "train"):
            home[digests[index]] = index
    kept, set_aside = [], []
    for index, photograph in enumerate(usable):
        first = home[digests[index]]
        if photograph.split == usable[first].split:
            kept.append(index)
        else:
            set_aside.append(SetAside(sources[index], f"is the same image as {sources[first]}, in another split"))
    return kept, set_aside


def _split(
    usable: Sequence[Photograph], sources: Sequence[str], digests: Sequence[str], params: Params
) -> tuple[Example, ...]:
    """The split that the data has is kept; a split that it lacks is cut from its training split."""
    labels = [photograph.grade for photograph in usable]
    if not any(photograph.split for photograph in usable):
        return split_examples(labels, digests, sources, params)
    splits = [photograph.split or "train" for photograph in usable]
    lacking = set(SPLITS) - set(splits)
    in_train = [index for index, split in enumerate(splits) if split == "train"]
    cut = assign_splits([labels[i] for i in in_train], [digests[i] for i in in_train], params)
    for index, split in zip(in_train, cut, strict=True):
        if split in lacking:
            splits[index] = split
    rows = zip(name_examples(digests), splits, labels, digests, digests, sources, strict=True)
    return tuple(Example(*row) for row in rows)


def _check_grades(examples: Sequence[Example], n_grades: int, where: str) -> None:
    check_classes(examples, where)
    present = {int(example.label) for example in examples}
    for grade in range(n_grades):
        if grade not in present:
            raise TaskError(
                f"{where}: no photograph has the grade {grade}, but num_classes in {PARAMS_FILE} is {n_grades}; "
                "add some, or lower num_classes."
            )

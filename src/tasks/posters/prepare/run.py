"""prepare: posters decoded once, red ones left out, split by genres, and copies of the training posters added."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from tasks.common.data.images import decode_images, square
from tasks.common.data.label_sets import join_labels, labels_of
from tasks.common.data.manifest import (
    Example,
    check_classes,
    content_digest,
    join_groups,
    name_examples,
    write_manifest,
)
from tasks.common.data.multilabel_splits import assign_multilabel_splits
from tasks.common.data.report import SetAside, check_share, write_report
from tasks.common.data.shards import new_array, write_shards
from tasks.common.data.splits import SplitParams
from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import new_folder, write_json
from tasks.common.stage.paths import TaskPaths
from tasks.posters.prepare.augmentation import AugmentationParams, Change, apply_change, choose_change
from tasks.posters.prepare.red_filter import RedFilterParams, red_share
from tasks.posters.prepare.table import TABLE_FILE, Listed, read_table

if TYPE_CHECKING:
    import numpy as np


class Params(SplitParams):
    """`posters.prepare`."""

    image_size: Annotated[int, Field(ge=32, le=1024)]
    fit: Literal["crop", "stretch"]
    ignore_genres: list[str]
    min_posters_per_genre: Annotated[int, Field(ge=3)]
    red_filter: RedFilterParams
    augmentation: AugmentationParams


@dataclass(frozen=True)
class _Poster:
    """A decoded poster."""

    listed: Listed
    row: int
    """Where its pixels are among those decoded."""
    digest: str
    """Of its file."""
    pixels_digest: str
    """Of what was decoded."""


def run(paths: TaskPaths, params: Params) -> None:
    """Write images-<split>.npy, (N, S, S, 3) uint8, manifest.csv, input.json and data_report.json.

    The rows of the training split are its posters and then their copies. Raises TaskError where there is no such table,
    no usable image, too few posters of a genre in a split, or too much to set aside.
    """
    where = str(paths.raw / TABLE_FILE)
    listed, set_aside = read_table(paths.raw / TABLE_FILE, params.ignore_genres)
    if not listed:
        first = f", the first because {set_aside[0].source} {set_aside[0].reason}" if set_aside else ""
        raise TaskError(f"{where} has no usable row{first}; correct it.")
    with new_folder(paths.prepared) as folder:
        decoded = decode_images(
            [paths.raw / poster.image for poster in listed],
            partial(square, side=params.image_size, how=params.fit),
            "RGB",
            side=params.image_size,
            root=paths.raw,
            scratch=folder / "decoded.npy",
            label=f"prepare {paths.task}",
        )
        set_aside += decoded.set_aside
        posters = [
            _Poster(listed[index], row, decoded.digests[row], content_digest(decoded.images[row].tobytes()))
            for row, index in enumerate(decoded.kept)
        ]
        shares = [red_share(decoded.images[poster.row], params.red_filter) for poster in posters]
        is_red = [share > params.red_filter.max_share for share in shares]
        red = [poster for poster, drop in zip(posters, is_red, strict=True) if drop]
        posters = [poster for poster, drop in zip(posters, is_red, strict=True) if not drop]
        posters, rare = _without_rare_genres(posters, params.min_posters_per_genre, set_aside)
        check_share(set_aside, len(posters) + len(red), params.max_rejected_share, where)

        originals = _to_examples(posters, params)
        check_classes(originals, where, labels_of)
        copies = _write_shards(folder, decoded.images, [poster.row for poster in posters], originals, params)
        (folder / "decoded.npy").unlink()
        write_manifest(folder, [*originals, *copies], where, decoded.measures([poster.row for poster in posters]))
        write_json(folder / "input.json", {"image_size": params.image_size, "fit": params.fit})
        write_report(
            paths,
            folder,
            originals,
            set_aside,
            labels_of=labels_of,
            extra={
                "too_red": len(red),
                "per_class_too_red": dict(sorted(Counter(g for p in red for g in p.listed.genres).items())),
                "augmented_copies": len(copies),
                "genres_too_rare": rare,
            },
        )


def _without_rare_genres(
    posters: Sequence[_Poster], min_posters: int, set_aside: list[SetAside]
) -> tuple[list[_Poster], dict[str, int]]:
    """The posters without genres that fewer than `min_posters` have, and those genres; sets aside what has no other."""
    counts = Counter(genre for poster in posters for genre in poster.listed.genres)
    rare = {genre: count for genre, count in sorted(counts.items()) if count < min_posters}
    kept = []
    for poster in posters:
        genres = tuple(genre for genre in poster.listed.genres if genre not in rare)
        if genres:
            kept.append(replace(poster, listed=replace(poster.listed, genres=genres)))
        else:
            reason = f"has only genres of fewer than {min_posters} posters: {', '.join(poster.listed.genres)}"
            set_aside.append(SetAside(poster.listed.image, reason))
    return kept, rare


def _to_examples(posters: Sequence[_Poster], params: Params) -> list[Example]:
    digests = [poster.digest for poster in posters]
    # The same file, and the same pixels in another file. Named by files: the split must not follow from image_size.
    groups = join_groups([poster.pixels_digest for poster in posters], digests)
    splits = assign_multilabel_splits([poster.listed.genres for poster in posters], groups, params)
    return [
        Example(name, split, join_labels(poster.listed.genres), poster.digest, group, poster.listed.image)
        for name, split, poster, group in zip(name_examples(digests), splits, posters, groups, strict=True)
    ]


def _write_shards(
    folder: Path, images: np.ndarray, rows: Sequence[int], originals: Sequence[Example], params: Params
) -> list[Example]:
    """Write the shards, and return the manifest's rows of the copies, which come after all originals."""
    import numpy as np

    training = [index for index, example in enumerate(originals) if example.split == "train"]
    wanted = [(index, copy) for copy in range(1, params.augmentation.copies + 1) for index in training]
    scratch = folder / "pixels.npy"
    pixels = new_array(scratch, (len(originals) + len(wanted), *images.shape[1:]), np.uint8)
    for index, row in enumerate(rows):
        pixels[index] = images[row]

    def make(place: tuple[int, int]) -> tuple[Change, np.ndarray]:
        index, copy = place
        change = choose_change(originals[index].id, copy, params.seed, params.augmentation)
        return change, apply_change(pixels[index], change)

    copies = []
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for number, (change, changed) in enumerate(pool.map(make, wanted)):
            pixels[len(originals) + number] = changed
            index, copy = wanted[number]
            of = originals[index]
            copies.append(
                replace(
                    of,
                    id=f"{of.id}+{copy}",
                    digest=content_digest(changed.tobytes()),
                    source=f"{of.source} {change}",
                )
            )
    write_shards(folder, "images", pixels, [*originals, *copies])
    scratch.unlink()
    return copies

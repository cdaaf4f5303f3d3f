"""prepare: decode every photograph once, set unusable ones aside, split the others, pack them."""

from __future__ import annotations

import functools
from typing import Annotated, Literal

from pydantic import Field

from tasks.common.data.images import decode_images, square
from tasks.common.data.manifest import check_classes, write_manifest
from tasks.common.data.report import check_share, write_report
from tasks.common.data.shards import write_shards
from tasks.common.data.splits import SplitParams
from tasks.common.stage.files import file_digest, new_folder, write_json
from tasks.common.stage.paths import TaskPaths
from tasks.pets.prepare.layout import list_photographs, without_copies
from tasks.pets.prepare.split import split_photographs

PREPROCESSING_FILE = "preprocessing.json"


class Params(SplitParams):
    """`pets.prepare`."""

    image_size: Annotated[int, Field(ge=8, le=1024)]
    fit: Literal["crop", "pad", "stretch"]


def run(paths: TaskPaths, params: Params) -> None:
    """Write images-<split>.npy, (N, S, S, 3) uint8, manifest.csv, preprocessing.json and data_report.json.

    Raises TaskError for folders of another layout, too many unusable files, or a class that a split has none of.
    """
    found, set_aside = list_photographs(paths.raw)
    photographs, copies = without_copies(found, [file_digest(each.path) for each in found], paths.raw)
    render = functools.partial(square, side=params.image_size, how=params.fit)
    with new_folder(paths.prepared) as folder:
        scratch = folder / "decoded.npy"
        files = [photograph.path for photograph in photographs]
        decoded = decode_images(
            files,
            render,
            "RGB",
            side=params.image_size,
            root=paths.raw,
            scratch=scratch,
            label=f"prepare {paths.task}",
        )
        usable = [photographs[index] for index in decoded.kept]
        set_aside += [*copies, *decoded.set_aside]
        check_share(set_aside, len(usable), params.max_rejected_share, str(paths.raw))
        examples = split_photographs(
            [photograph.label for photograph in usable],
            decoded.digests,
            [photograph.path.relative_to(paths.raw).as_posix() for photograph in usable],
            [photograph.part for photograph in usable],
            params,
        )
        check_classes(examples, str(paths.raw))
        write_manifest(folder, examples, str(paths.raw), decoded.measures(range(len(examples))))
        write_shards(folder, "images", decoded.images, examples)
        scratch.unlink()
        # The image's size is set here alone: train and inference have it from this file.
        write_json(folder / PREPROCESSING_FILE, {"image_size": params.image_size, "fit": params.fit})
        write_report(paths, folder, examples, set_aside)

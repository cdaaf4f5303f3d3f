"""prepare: set unusable images aside, split the others, and write both down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.common.data.manifest import check_classes, content_digest, split_examples, write_manifest
from tasks.common.data.report import SetAside, check_share, write_report
from tasks.common.data.shards import write_shards
from tasks.common.data.splits import SplitParams
from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import new_folder
from tasks.common.stage.paths import TaskPaths

if TYPE_CHECKING:
    import numpy as np

BRIGHTEST = 16


class Params(SplitParams):
    """`digits.prepare`."""


def run(paths: TaskPaths, params: Params) -> None:
    """Write images-<split>.npy, (N, 8, 8) uint8, manifest.csv with a row for each image, and data_report.json."""
    images, labels = _read_raw(paths)
    reasons = [_why_unusable(image, int(label)) for image, label in zip(images, labels, strict=True)]
    kept = [index for index, reason in enumerate(reasons) if reason is None]
    set_aside = [SetAside(f"image {index}", reason) for index, reason in enumerate(reasons) if reason]
    check_share(set_aside, len(kept), params.max_rejected_share, str(paths.raw))
    texts = [str(labels[index]) for index in kept]
    digests = [content_digest(images[index].tobytes()) for index in kept]
    examples = split_examples(texts, digests, [f"image {index}" for index in kept], params)
    check_classes(examples, str(paths.raw))
    with new_folder(paths.prepared) as folder:
        intensities = [float(images[index].mean()) for index in kept]
        write_manifest(folder, examples, str(paths.raw), {"mean_intensity": intensities})
        write_shards(folder, "images", images[kept], examples)
        write_report(paths, folder, examples, set_aside)


def _read_raw(paths: TaskPaths) -> tuple[np.ndarray, np.ndarray]:
    import numpy as np

    arrays = []
    for name in ("images.npy", "labels.npy"):
        try:
            arrays.append(np.load(paths.raw / name, allow_pickle=False))
        except FileNotFoundError:
            raise TaskError(f"{paths.raw / name} does not exist; run the stage fetch first.") from None
        except (ValueError, EOFError):
            raise TaskError(f"{paths.raw / name} is not a NumPy array; run the stage fetch again.") from None
    images, labels = arrays
    if images.ndim != 3 or images.shape[1:] != (8, 8) or images.dtype != np.uint8 or labels.shape != images.shape[:1]:
        raise TaskError(
            f"{paths.raw}: there must be one label for each 8 x 8 image of bytes; run the stage fetch again."
        )
    return images, labels


def _why_unusable(image: np.ndarray, label: int) -> str | None:
    if label not in range(10):
        return f"its label is {label}, no digit"
    if image.max() > BRIGHTEST:
        return f"a pixel is {image.max()}, brighter than {BRIGHTEST}"
    if image.min() == image.max():
        return "all pixels are equal"
    return None

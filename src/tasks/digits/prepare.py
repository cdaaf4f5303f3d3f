"""prepare: set unusable images aside, split the others, and write both down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.common.data.manifest import content_digest, count_by, label_order, split_examples, write_manifest
from tasks.common.data.splits import SPLITS, SplitParams
from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import new_folder, write_json
from tasks.common.stage.paths import TaskPaths
from tasks.common.stage.progress import say

if TYPE_CHECKING:
    import numpy as np

BRIGHTEST = 16


class Params(SplitParams):
    """`digits.prepare`."""


def run(paths: TaskPaths, params: Params) -> None:
    """Write images.npy, (N, 8, 8) uint8, manifest.csv with a row for each image, and data_report.json."""
    import numpy as np

    images, labels = _read_raw(paths)
    reasons = [_why_unusable(image) for image in images]
    kept = [index for index, reason in enumerate(reasons) if reason is None]
    texts = [str(labels[index]) for index in kept]
    digests = [content_digest(images[index].tobytes()) for index in kept]
    examples = split_examples(texts, digests, [f"image {index}" for index in kept], params)
    per_split = count_by((example.split for example in examples), SPLITS)
    with new_folder(paths.prepared) as folder:
        write_manifest(folder, examples, str(paths.prepared))
        np.save(folder / "images.npy", images[kept])
        write_json(
            folder / "data_report.json",
            {
                "examples": len(examples),
                "repeated": len(digests) - len(set(digests)),
                "per_split": per_split,
                "per_class": count_by(texts, label_order(texts)),
                "set_aside": [
                    {"source": f"image {index}", "reason": reason} for index, reason in enumerate(reasons) if reason
                ],
            },
        )
    say(f"prepare digits: {', '.join(f'{count} {split}' for split, count in per_split.items())}")


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


def _why_unusable(image: np.ndarray) -> str | None:
    if image.max() > BRIGHTEST:
        return f"a pixel is {image.max()}, brighter than {BRIGHTEST}"
    if image.min() == image.max():
        return "all pixels are equal"
    return None

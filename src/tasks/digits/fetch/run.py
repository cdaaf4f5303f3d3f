"""fetch: scikit-learn's handwritten digits, which come with the package."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tasks.common.stage.files import new_folder, write_json
from tasks.common.stage.params import StageParams
from tasks.common.stage.paths import TaskPaths
from tasks.common.stage.progress import say


class Params(StageParams):
    """`digits.fetch`."""

    classes: Annotated[int, Field(ge=2, le=10)]


def run(paths: TaskPaths, params: Params) -> None:
    """Write images.npy, (N, 8, 8) uint8 from 0 to 16, labels.npy, (N,) uint8, and source.json."""
    import numpy as np
    from sklearn.datasets import load_digits

    digits = load_digits(n_class=params.classes)
    with new_folder(paths.raw) as folder:
        np.save(folder / "images.npy", digits.images.astype(np.uint8))
        np.save(folder / "labels.npy", digits.target.astype(np.uint8))
        write_json(
            folder / "source.json",
            {
                "name": "Optical Recognition of Handwritten Digits, the test part, as scikit-learn carries it",
                "address": "https://archive.ics.uci.edu/dataset/80",
                "licence": "CC BY 4.0",
                "synthetic": False,
                "examples": len(digits.target),
            },
        )
    say(f"fetch digits: {len(digits.target)} images of {params.classes} classes")

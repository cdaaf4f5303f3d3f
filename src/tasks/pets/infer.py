"""infer: what the trained model sees in photographs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.common.data.images import BadImageError, read_image, square
from tasks.common.inference.result import Inferred
from tasks.common.model.card import read_card
from tasks.common.stage.params import read_params
from tasks.common.stage.paths import TaskPaths
from tasks.pets.evaluate.run import Params
from tasks.pets.model.scoring import load_scorer

if TYPE_CHECKING:
    import numpy as np


def infer(paths: TaskPaths, files: Sequence[Path], out: Path) -> list[Inferred]:
    """The animal in each JPEG or PNG file in colour, with the preprocessing and labels of the model's card.

    Nothing is written to `out`. Raises TaskError where there is no usable model.
    """
    import numpy as np

    params = read_params(paths.root, paths.task, "evaluate", Params)
    card = read_card(paths.model, paths.task)
    preprocessing, score = load_scorer(paths.model, card, params.device, params.threads, params.batch_size)
    images: list[np.ndarray] = []
    problems: dict[int, str] = {}
    for index, file in enumerate(files):
        try:
            images.append(square(read_image(file, "RGB"), preprocessing.image_size, preprocessing.fit))
        except BadImageError as error:
            problems[index] = str(error)
    scores: Iterator[np.ndarray] = iter(score(np.stack(images)) if images else ())

    def answer(index: int, file: Path) -> Inferred:
        if index in problems:
            return Inferred(str(file), {}, (), problem=problems[index])
        row = next(scores)
        return Inferred(str(file), dict(zip(card.labels, row.tolist(), strict=True)), (card.labels[row.argmax()],))

    return [answer(index, file) for index, file in enumerate(files)]

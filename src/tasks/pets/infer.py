"""infer: what the trained model sees in photographs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.common.data.images import BadImageError, read_image, square
from tasks.common.inference.result import Answer, Endpoint, Inferred
from tasks.common.model.card import read_card
from tasks.common.stage.params import read_params
from tasks.common.stage.paths import TaskPaths
from tasks.pets.evaluate.run import Params
from tasks.pets.model.scoring import load_scorer

if TYPE_CHECKING:
    import numpy as np


ENDPOINT = Endpoint(files="image")


def infer(paths: TaskPaths, files: Sequence[Path], out: Path) -> list[Inferred]:
    """The animal in each JPEG or PNG file in colour, with the preprocessing and labels of the model's card.

    Nothing is written to `out`. Raises TaskError where there is no usable model.
    """
    return load(paths)(files, out)


def load(paths: TaskPaths) -> Answer:
    """The same for many calls, with the model read once. Raises TaskError where there is no usable one."""
    params = read_params(paths.root, paths.task, "evaluate", Params)
    card = read_card(paths.model, paths.task)
    preprocessing, score = load_scorer(paths.model, card, params.device, params.threads, params.batch_size)

    def answer(files: Sequence[Path], out: Path) -> list[Inferred]:
        import numpy as np

        images: list[np.ndarray] = []
        problems: dict[int, str] = {}
        for index, file in enumerate(files):
            try:
                images.append(square(read_image(file, "RGB"), preprocessing.image_size, preprocessing.fit))
            except BadImageError as error:
                problems[index] = str(error)
        scores: Iterator[np.ndarray] = iter(score(np.stack(images)) if images else ())
        answers = []
        for index, file in enumerate(files):
            if index in problems:
                answers.append(Inferred(str(file), {}, (), problem=problems[index]))
                continue
            row = next(scores)
            labels = dict(zip(card.labels, row.tolist(), strict=True))
            answers.append(Inferred(str(file), labels, (card.labels[row.argmax()],)))
        return answers

    return answer

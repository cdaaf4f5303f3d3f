"""infer: the grade of photographs by the trained model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.common.data.images import BadImageError, read_image
from tasks.common.inference.result import Answer, Endpoint, Inferred
from tasks.common.model.card import read_card
from tasks.common.stage.params import read_params
from tasks.common.stage.paths import TaskPaths
from tasks.retinopathy.evaluate.run import Params
from tasks.retinopathy.model.scoring import load_score
from tasks.retinopathy.prepare.photograph import frame, framing_of

if TYPE_CHECKING:
    import numpy as np


ENDPOINT = Endpoint(files="image")


def infer(paths: TaskPaths, files: Sequence[Path], out: Path) -> list[Inferred]:
    """The grade in each file, a colour photograph of any size; nothing is written to `out`.

    Raises TaskError where there is no usable model.
    """
    return load(paths)(files, out)


def load(paths: TaskPaths) -> Answer:
    """The same for many calls, with the model read once. Raises TaskError where there is no usable one."""
    params = read_params(paths.root, paths.task, "evaluate", Params)
    card = read_card(paths.model, paths.task)
    framing = framing_of(card.preprocessing, f"{paths.model}: the card")
    score = load_score(paths.model, card, params.device, params.threads, params.batch_size)

    def answer(files: Sequence[Path], out: Path) -> list[Inferred]:
        import numpy as np

        images: list[np.ndarray] = []
        problems: dict[int, str] = {}
        for index, file in enumerate(files):
            try:
                images.append(frame(read_image(file, "RGB"), framing))
            except BadImageError as error:
                problems[index] = str(error)
        scores = score(np.stack(images)) if images else None
        answers, row = [], 0
        for index, file in enumerate(files):
            if scores is None or index in problems:
                answers.append(Inferred(str(file), {}, (), problem=problems[index]))
                continue
            labels = dict(zip(card.labels, scores.probabilities[row].tolist(), strict=True))
            answers.append(Inferred(str(file), labels, (card.labels[scores.grades[row]],)))
            row += 1
        return answers

    return answer

"""infer: the grade of photographs by the trained model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.common.data.images import read_image
from tasks.common.inference.images import answer_images
from tasks.common.inference.result import Answer, Endpoint
from tasks.common.model.card import read_card
from tasks.common.stage.params import read_params
from tasks.common.stage.paths import TaskPaths
from tasks.retinopathy.evaluate.run import Params
from tasks.retinopathy.model.scoring import load_score
from tasks.retinopathy.prepare.photograph import frame, framing_of

if TYPE_CHECKING:
    import numpy as np


ENDPOINT = Endpoint(files="image")


def load(paths: TaskPaths) -> Answer:
    """A function from colour photographs of any size to the grade of each, which writes nothing.

    Raises TaskError where there is no usable model.
    """
    params = read_params(paths.root, paths.task, "evaluate", Params)
    card = read_card(paths.model, paths.task)
    framing = framing_of(card.preprocessing, f"{paths.model}: the card")
    score = load_score(paths.model, card, params.device, params.threads, params.batch_size)

    def judge(images: np.ndarray) -> tuple[np.ndarray, list[list[str]]]:
        scores = score(images)
        return scores.probabilities, [[card.labels[grade]] for grade in scores.grades]

    return answer_images(card.labels, lambda file: frame(read_image(file, "RGB", framing.image_size), framing), judge)

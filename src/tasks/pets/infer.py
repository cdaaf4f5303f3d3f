"""infer: what the trained model sees in photographs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tasks.common.data.images import read_image, square
from tasks.common.inference.images import answer_images, likeliest
from tasks.common.inference.result import Answer, Endpoint
from tasks.common.model.card import read_card
from tasks.common.stage.params import read_params
from tasks.common.stage.paths import TaskPaths
from tasks.pets.evaluate.run import Params
from tasks.pets.model.scoring import load_scorer

if TYPE_CHECKING:
    import numpy as np


ENDPOINT = Endpoint(files="image")


def load(paths: TaskPaths) -> Answer:
    """A function from JPEG or PNG files in colour to the animal in each, which writes nothing.

    Preprocessing and labels are those of the model's card. Raises TaskError where there is no usable model.
    """
    params = read_params(paths.root, paths.task, "evaluate", Params)
    card = read_card(paths.model, paths.task)
    preprocessing, score = load_scorer(paths.model, card, params.device, params.threads, params.batch_size)

    def read(file: Path) -> np.ndarray:
        return square(read_image(file, "RGB", preprocessing.image_size), preprocessing.image_size, preprocessing.fit)

    return answer_images(card.labels, read, lambda images: likeliest(card.labels, score(images)))

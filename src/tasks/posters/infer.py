"""The genres of poster files, by the trained model with its own preprocessing, labels and thresholds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tasks.common.data.images import read_image, square
from tasks.common.inference.images import answer_images
from tasks.common.inference.result import Answer, Endpoint
from tasks.common.model.card import read_card
from tasks.common.stage.params import read_params
from tasks.common.stage.paths import TaskPaths
from tasks.posters.evaluate.run import Params
from tasks.posters.model.scoring import load_scorer
from tasks.posters.model.thresholds import decide

if TYPE_CHECKING:
    import numpy as np

ENDPOINT = Endpoint(files="image")


def load(paths: TaskPaths) -> Answer:
    """A function from JPEG or PNG files to the genres of each, which writes nothing.

    A poster may have any number of genres, none too. A red poster is answered like any other: red ones were kept from
    training and test, so nothing is known of how good such answers are. Raises TaskError where there is no model.
    """
    card = read_card(paths.model, paths.task)
    params = read_params(paths.root, paths.task, "evaluate", Params)
    scorer = load_scorer(paths.model, card, params.batch_size, params.device, params.threads)

    def read(file: Path) -> np.ndarray:
        return square(read_image(file, "RGB", scorer.side), scorer.side, scorer.fit)

    def judge(images: np.ndarray) -> tuple[np.ndarray, list[list[str]]]:
        scores = scorer.score(images)
        named = decide(scores, scorer.thresholds)
        return scores, [[label for label, is_named in zip(card.labels, row, strict=True) if is_named] for row in named]

    return answer_images(card.labels, read, judge)

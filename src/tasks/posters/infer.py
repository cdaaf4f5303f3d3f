"""The genres of poster files, by the trained model with its own preprocessing, labels and thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tasks.common.data.images import BadImageError, read_image, square
from tasks.common.inference.result import Answer, Endpoint, Inferred
from tasks.common.model.card import read_card
from tasks.common.stage.params import read_params
from tasks.common.stage.paths import TaskPaths
from tasks.posters.evaluate.run import Params
from tasks.posters.model.scoring import load_scorer
from tasks.posters.model.thresholds import decide

ENDPOINT = Endpoint(files="image")


def infer(paths: TaskPaths, files: Sequence[Path], out: Path) -> list[Inferred]:
    """One answer for each JPEG or PNG file, in their order; nothing is written to `out`.

    A poster may have any number of genres, none too. A red poster is answered like any other: red ones were kept from
    training and test, so nothing is known of how good such answers are. Raises TaskError where there is no model.
    """
    return load(paths)(files, out)


def load(paths: TaskPaths) -> Answer:
    """The same for many calls, with the model read once. Raises TaskError where there is none."""
    card = read_card(paths.model, paths.task)
    params = read_params(paths.root, paths.task, "evaluate", Params)
    scorer = load_scorer(paths.model, card, params.batch_size, params.device, params.threads)

    def answer(files: Sequence[Path], out: Path) -> list[Inferred]:
        import numpy as np

        problems: dict[int, str] = {}
        images = []
        for number, file in enumerate(files):
            try:
                images.append(square(read_image(file, "RGB"), scorer.side, scorer.fit))
            except BadImageError as error:
                problems[number] = str(error)
        scores = iter(scorer.score(np.stack(images)) if images else ())
        answers = []
        for number, file in enumerate(files):
            if number in problems:
                answers.append(Inferred(str(file), {}, (), problem=problems[number]))
                continue
            row = next(scores)
            named = decide(row[None], scorer.thresholds)[0]
            predicted = tuple(label for label, is_named in zip(card.labels, named, strict=True) if is_named)
            answers.append(Inferred(str(file), dict(zip(card.labels, map(float, row), strict=True)), predicted))
        return answers

    return answer

"""Image files put to a model together: one that cannot be read is told, and the others have their answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.common.data.images import BadImageError
from tasks.common.inference.result import Answer, Inferred

if TYPE_CHECKING:
    import numpy as np

    Judge = Callable[[np.ndarray], tuple[np.ndarray, Sequence[Sequence[str]]]]


def answer_images(labels: Sequence[str], read: Callable[[Path], np.ndarray], judge: Judge) -> Answer:
    """A model of images as a function of files, which writes nothing.

    read: from a file to pixels of one shape for all; raises BadImageError for one that is none. judge: from the pixels
    (N, ...) of all the others to the probability of each of the `labels` (N, K), and the labels decided for (N).
    """

    def answer(files: Sequence[Path], out: Path) -> list[Inferred]:
        import numpy as np

        images: list[np.ndarray] = []
        problems: dict[int, str] = {}
        for number, file in enumerate(files):
            try:
                images.append(read(file))
            except BadImageError as reason:
                problems[number] = str(reason)
        judged = zip(*judge(np.stack(images)), strict=True) if images else iter(())
        answers = []
        for number, file in enumerate(files):
            if number in problems:
                answers.append(Inferred(str(file), {}, (), problem=problems[number]))
                continue
            scores, predicted = next(judged)
            answers.append(Inferred(str(file), dict(zip(labels, scores.tolist(), strict=True)), tuple(predicted)))
        return answers

    return answer


def likeliest(labels: Sequence[str], scores: np.ndarray) -> tuple[np.ndarray, list[list[str]]]:
    """The scores (N, K), and for each row the label of its highest one, of equal ones the first."""
    return scores, [[labels[column]] for column in scores.argmax(axis=1)]

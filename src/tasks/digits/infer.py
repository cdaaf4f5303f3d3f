"""infer: what the trained model reads in pictures of single digits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tasks.common.data.images import BadImageError, read_image
from tasks.common.inference.images import answer_images, likeliest
from tasks.common.inference.result import Answer, Endpoint
from tasks.common.model.card import read_card
from tasks.common.stage.params import read_params
from tasks.common.stage.paths import TaskPaths
from tasks.digits.evaluate.run import Params
from tasks.digits.model.network import BRIGHTEST, SIDE, load_scorer

if TYPE_CHECKING:
    import numpy as np


ENDPOINT = Endpoint(files="image")


def load(paths: TaskPaths) -> Answer:
    """A function from files to the digit in each, which writes nothing.

    Each is bright on dark, a greyscale picture of any size or a .npy of (8, 8) from 0 to 16.
    Raises TaskError where there is no usable model.
    """
    params = read_params(paths.root, paths.task, "evaluate", Params)
    card = read_card(paths.model, paths.task)
    score = load_scorer(paths.model, card, params.device, params.threads, params.batch_size)
    return answer_images(card.labels, _read, lambda images: likeliest(card.labels, score(images)))


def _read(file: Path) -> np.ndarray:
    """(8, 8) uint8 from 0 to 16. Raises BadImageError."""
    import numpy as np

    if file.suffix == ".npy":
        try:
            pixels = np.load(file, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            raise BadImageError("is not a NumPy array that can be read") from None
        if not isinstance(pixels, np.ndarray) or pixels.shape != (SIDE, SIDE) or pixels.dtype.kind not in "uif":
            raise BadImageError("is not an array of 8 x 8 numbers")
        if not np.isfinite(pixels).all() or pixels.min() < 0 or pixels.max() > BRIGHTEST:
            raise BadImageError(f"has pixels outside 0 to {BRIGHTEST}")
        return np.rint(pixels).astype(np.uint8)
    from PIL import Image

    image = read_image(file, "L")
    if image.size != (SIDE, SIDE):
        image = image.resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.rint(np.asarray(image, np.float32) * (BRIGHTEST / 255)).astype(np.uint8)

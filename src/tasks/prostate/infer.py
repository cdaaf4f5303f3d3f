"""infer: the gland in volumes of any spacing and orientation, as masks in the volumes' own geometry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.common.inference.result import Answer, Endpoint, Inferred
from tasks.common.model.card import read_card
from tasks.common.stage.params import read_params
from tasks.common.stage.paths import TaskPaths
from tasks.prostate.evaluate.run import Params
from tasks.prostate.model.scoring import LABEL, Scorer, answering, gland_mask, load_scorers, mean_probabilities
from tasks.prostate.prepare.grid import Recipe, cut_slices, paste_slices, read_recipe, target_grid
from tasks.prostate.prepare.volumes import BadVolumeError, read_volume, split_ending, write_mask

if TYPE_CHECKING:
    import numpy as np
    import SimpleITK


ENDPOINT = Endpoint(files="volume", written="mask")


def load(paths: TaskPaths) -> Answer:
    """A function that writes `<name>_gland`, ending as the volume does, for each file: 1 in the gland.

    By the refit or, where there is none, by the mean of the folds. Raises TaskError where there is no usable model.
    """
    params = read_params(paths.root, paths.task, "evaluate", Params)
    card = read_card(paths.model, paths.task)
    recipe = read_recipe(card.preprocessing, str(paths.model))
    scorers = load_scorers(paths.model, card, answering(card), params.device, params.threads, params.batch_size)

    def answer(files: Sequence[Path], out: Path) -> list[Inferred]:
        written: set[Path] = set()
        answers = []
        for file in files:
            path = out / _mask_name(file)
            try:
                if path in written:
                    raise BadVolumeError("has the name of another one, whose mask would be overwritten")
                volume = read_volume(file)
                grid, probabilities = find_gland(volume, recipe, scorers)
                stored = paste_slices(probabilities, grid, volume)
                mask = gland_mask(stored, params.threshold, params.largest_component)
                write_mask(mask, volume, path)
            except BadVolumeError as reason:
                answers.append(Inferred(str(file), {}, (), problem=str(reason)))
                continue
            written.add(path)
            answers.append(Inferred(str(file), {}, (LABEL,) if mask.any() else (), path))
        return answers

    return answer


def find_gland(
    volume: SimpleITK.Image, recipe: Recipe, scorers: Mapping[str, Scorer], fold: str | None = None
) -> tuple[SimpleITK.Image, np.ndarray]:
    """The model's grid about the volume, and on it the probability of gland (D, H, W).

    By the mean of all models or, where the volume has trained the others, by that of one fold.
    """
    grid = target_grid(volume, recipe)
    chosen = list(scorers.values()) if fold is None else [scorers[fold]]
    return grid, mean_probabilities(chosen, cut_slices(volume, grid, recipe))


def _mask_name(file: Path) -> str:
    stem, ending = split_ending(file.name)
    return f"{stem}_gland{ending}"

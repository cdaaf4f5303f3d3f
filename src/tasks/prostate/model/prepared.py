"""What prepare left: slices and masks of all volumes, and which of them each fold trains with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.common.data.manifest import Example, read_manifest
from tasks.common.data.shards import open_array
from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import read_json

if TYPE_CHECKING:
    import numpy as np

VOLUMES_FILE = "volumes.json"

Part = Literal["train", "validation", "test"]


class Volume(BaseModel):
    """One study."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    id: str
    slices: int
    target_voxels: int
    """Of the gland, those outside of the crop too."""


class _Volumes(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    recipe: dict[str, Any]
    volumes: list[Volume]
    validation: dict[str, list[str]]


@dataclass(frozen=True)
class Prepared:
    """S slices of H x W pixels of all volumes, one volume after the other in the manifest's order."""

    examples: Sequence[Example]
    volumes: Sequence[Volume]
    starts: Sequence[int]
    """The first slice of each volume."""
    images: np.ndarray
    """(S, H, W) uint8 or float32, memory-mapped."""
    masks: np.ndarray
    """(S, H, W) uint8, 1 in the gland, memory-mapped."""
    recipe: dict[str, Any]
    """How the slices were cut."""
    validation: dict[str, list[str]]
    """For each fold, the groups that choose its best epoch."""

    @property
    def folds(self) -> list[str]:
        """The names of the folds, in order."""
        return list(self.validation)

    def slices(self, volume: int) -> slice:
        """Where the slices of a volume are."""
        return slice(self.starts[volume], self.starts[volume] + self.volumes[volume].slices)

    def part(self, fold: str, part: Part) -> list[int]:
        """The volumes that train, validate or test a fold."""
        return [
            number
            for number, example in enumerate(self.examples)
            if part == ("test" if example.split == fold else self._side(fold, example))
        ]

    def _side(self, fold: str, example: Example) -> Part:
        return "validation" if example.group in self.validation[fold] else "train"

    def slice_numbers(self, fold: str, part: Part) -> np.ndarray:
        """(N,) int64 the slices of those volumes."""
        import numpy as np

        ranges = [np.arange(s.start, s.stop) for s in map(self.slices, self.part(fold, part))]
        return np.concatenate([*ranges, np.zeros(0, np.int64)]).astype(np.int64)

    def all_slices(self) -> np.ndarray:
        """(S,) int64 the slices of all volumes."""
        import numpy as np

        return np.arange(len(self.images))


def open_prepared(folder: Path) -> Prepared:
    """What prepare wrote to `folder`. Raises TaskError where files are missing, broken, or do not fit together."""
    examples = read_manifest(folder)
    path = folder / VOLUMES_FILE
    try:
        content = _Volumes.model_validate(read_json(path, "prepare"))
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise TaskError(f"{path} does not describe volumes ({where}); run the stage prepare again.") from None
    images, masks = open_array(folder / "images.npy"), open_array(folder / "masks.npy")
    starts = [sum(volume.slices for volume in content.volumes[:number]) for number in range(len(content.volumes))]
    n_slices = sum(volume.slices for volume in content.volumes)
    names = [example.id for example in examples]
    splits = {example.split for example in examples}
    if (
        names != [volume.id for volume in content.volumes]
        or splits != set(content.validation)
        or images.ndim != 3
        or images.shape != masks.shape
        or len(images) != n_slices
    ):
        raise TaskError(f"{folder}: manifest, {path.name} and arrays do not fit together; run the stage prepare again.")
    return Prepared(examples, content.volumes, starts, images, masks, content.recipe, content.validation)

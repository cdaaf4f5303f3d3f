"""Packed arrays: one file a split, read through memory, so that training opens no image file and DVC moves few files.

The format is NumPy's own, which every language reads; https://numpy.org/neps/nep-0001-npy-format.html.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.common.data.manifest import Example
from tasks.common.stage.errors import TaskError

if TYPE_CHECKING:
    import numpy as np

_ROWS_AT_ONCE = 256


def new_array(path: Path, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """A new file of zeros to write into as an array; it is whole when the array is deleted."""
    from numpy.lib.format import open_memmap

    path.parent.mkdir(parents=True, exist_ok=True)
    array: np.ndarray = open_memmap(path, "w+", dtype, shape)
    return array


def open_array(path: Path) -> np.ndarray:
    """The array in the file at `path`, read from disk where it is touched. Raises TaskError."""
    import numpy as np

    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise TaskError(f"{path} does not exist; run the stage prepare first.") from None
    except (ValueError, EOFError, OSError):
        raise TaskError(f"{path} is not a NumPy array; run the stage prepare again.") from None


def write_shards(folder: Path, name: str, array: np.ndarray, examples: Sequence[Example]) -> None:
    """Write the rows of `array` (N, ...), one an example, to `<name>-<split>.npy`, in the manifest's order."""
    for split in sorted({example.split for example in examples}):
        rows = [index for index, example in enumerate(examples) if example.split == split]
        shard = new_array(_shard_path(folder, name, split), (len(rows), *array.shape[1:]), array.dtype)
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            shard[start : start + _ROWS_AT_ONCE] = array[rows[start : start + _ROWS_AT_ONCE]]
        del shard


def open_shard(folder: Path, name: str, split: str) -> np.ndarray:
    """The rows of one split (N, ...), memory-mapped and read-only. Raises TaskError."""
    return open_array(_shard_path(folder, name, split))


def _shard_path(folder: Path, name: str, split: str) -> Path:
    return folder / f"{name}-{split}.npy"

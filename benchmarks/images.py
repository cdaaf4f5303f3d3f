"""What packed shards save: images a second into training, beside the loops that open each file in every epoch."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.timing import Row, in_turn, spent
from tasks.common.data.images import decode_images, square
from tasks.common.data.manifest import Example
from tasks.common.data.shards import open_shard, write_shards
from tasks.common.learning.batches import Batches

if TYPE_CHECKING:
    import numpy as np
    import torch

N_IMAGES = 2_000
FILE_SIDE = 256
TRAIN_SIDE = 64
BATCH_SIZE = 64
WORKERS = 2
EPOCHS = 5
# Each repetition of several epochs takes the peer many seconds.
LONG_RUNS = 3


def rows(scratch: Path) -> list[Row]:
    """Both epochs, the whole training's input with its preparation, and preparation alone."""
    print(f"benchmark: writing {N_IMAGES} JPEG images", flush=True)
    files = write_jpegs(scratch / "files")
    shards = scratch / "shards"
    prepare(files, shards)
    _check_equal(files, shards)
    return [
        epoch(files, shards),
        epoch_with_workers(files, shards),
        whole_training(files, shards),
        preparation(files, scratch / "again"),
    ]


def epoch(files: Sequence[Path], shards: Path) -> Row:
    """One epoch of shuffled batches, all in one thread."""
    pair = in_turn(lambda: spent(lambda: shard_epoch(shards, 0)), lambda: spent(lambda: file_epoch(files)))
    peer = "each file opened, decoded and resized anew, as most tutorials do"
    return pair.rate_row("an epoch of training input, one thread", N_IMAGES, "images", peer, "above 10 times")


def epoch_with_workers(files: Sequence[Path], shards: Path) -> Row:
    """The same with two threads beside two processes of PyTorch's own loader, which are kept between epochs."""
    loader = _loader(files)

    def their_epoch() -> None:
        for _ in loader:
            pass

    pair = in_turn(lambda: spent(lambda: shard_epoch(shards, WORKERS)), lambda: spent(their_epoch))
    peer = f"torch DataLoader over the files, num_workers={WORKERS}"
    return pair.rate_row("the same, two workers", N_IMAGES, "images", peer, "above 5 times")


def whole_training(files: Sequence[Path], shards: Path) -> Row:
    """The input of several epochs, what it costs to make the shards included."""

    def ours() -> None:
        prepare(files, shards)
        for _ in range(EPOCHS):
            shard_epoch(shards, 0)

    def theirs() -> None:
        for _ in range(EPOCHS):
            file_epoch(files)

    pair = in_turn(lambda: spent(ours), lambda: spent(theirs), runs=LONG_RUNS, warm_up=False)
    count = EPOCHS * N_IMAGES
    return pair.rate_row(f"{EPOCHS} epochs, making the shards included", count, "images", "as above, one thread", "")


def preparation(files: Sequence[Path], shards: Path) -> Row:
    """Decoding, resizing, digests and shards on every core, beside a loop in one thread that has the first two."""
    pair = in_turn(lambda: spent(lambda: prepare(files, shards)), lambda: spent(lambda: [read(f) for f in files]))
    return pair.rate_row("prepare, with digests and shards", N_IMAGES, "images", "a loop that decodes and resizes", "")


def write_jpegs(folder: Path, count: int = N_IMAGES, side: int = FILE_SIDE) -> list[Path]:
    """Images with the structure of photographs: noise of many sizes, since flat ones would be decoded too fast."""
    import numpy as np
    from PIL import Image

    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    files = []
    for number in range(count):
        pixels = np.zeros((side, side, 3))
        for grain in (4, 16, 64, 256):
            coarse = Image.fromarray(rng.integers(0, 256, (grain, grain, 3), np.uint8))
            pixels += np.asarray(coarse.resize((side, side), Image.Resampling.BILINEAR)) / grain**0.5
        pixels *= 255 / pixels.max()
        files.append(folder / f"{number}.jpg")
        Image.fromarray(pixels.astype(np.uint8)).save(files[-1], quality=90)
    return files


def prepare(files: Sequence[Path], shards: Path) -> None:
    """What the stage prepare does with images."""
    shards.mkdir(exist_ok=True)
    with contextlib.redirect_stderr(io.StringIO()):
        decoded = decode_images(
            files,
            partial(square, side=TRAIN_SIDE, how="crop"),
            "RGB",
            side=TRAIN_SIDE,
            root=files[0].parent,
            scratch=shards / "decoded.npy",
            label="benchmark",
        )
    examples = [Example(digest[:16], "train", "0", digest, digest, "") for digest in decoded.digests]
    write_shards(shards, "images", decoded.images, examples)
    (shards / "decoded.npy").unlink()


def shard_epoch(shards: Path, num_workers: int) -> None:
    """Every batch of an epoch as the training loops get it: shuffled, (B, C, H, W) float32 tensors."""
    import numpy as np

    images = open_shard(shards, "images", "train")
    targets = np.zeros(len(images), np.int64)
    batches = Batches(images, targets, BATCH_SIZE, seed=0, transform=_to_floats, num_workers=num_workers)
    for _ in batches.epoch(0, 0, len(batches), _to_tensors):
        pass


def file_epoch(files: Sequence[Path]) -> None:
    """The same from the files."""
    import numpy as np

    order = np.random.default_rng(0).permutation(len(files))
    for start in range(0, len(files), BATCH_SIZE):
        pixels = np.stack([read(files[index]) for index in order[start : start + BATCH_SIZE]])
        _to_tensors(_channels_first(pixels), np.zeros(len(pixels), np.int64))


def read(file: Path) -> np.ndarray:
    """One image (H, W, C) uint8 from its file."""
    import numpy as np
    from PIL import Image

    with Image.open(file) as image:
        return np.asarray(image.convert("RGB").resize((TRAIN_SIDE, TRAIN_SIDE)))


def _loader(files: Sequence[Path]) -> torch.utils.data.DataLoader:
    from torch.utils.data import DataLoader, Dataset

    class Files(Dataset):
        def __len__(self) -> int:
            return len(files)

        def __getitem__(self, index: int) -> np.ndarray:
            return _channels_first(read(files[index])[None])[0]

    return DataLoader(Files(), BATCH_SIZE, shuffle=True, num_workers=WORKERS, persistent_workers=True)


def _channels_first(pixels: np.ndarray) -> np.ndarray:
    import numpy as np

    return pixels.transpose(0, 3, 1, 2).astype(np.float32) / 255  # (B, C, H, W)


def _to_floats(
    pixels: np.ndarray, targets: np.ndarray, _generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    return _channels_first(pixels), targets


def _to_tensors(inputs: np.ndarray, targets: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    return torch.from_numpy(inputs), torch.from_numpy(targets)


def _check_equal(files: Sequence[Path], shards: Path) -> None:
    """Otherwise both sides would not do the same work."""
    import numpy as np

    images = open_shard(shards, "images", "train")
    assert all(np.array_equal(images[index], read(files[index])) for index in range(0, len(files), 100))

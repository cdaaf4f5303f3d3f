"""A cold read must be cold: also of a file that this process has mapped, as training has its shards."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks.page_cache import drop_pages


def test_mapped_file_is_read_from_disk_again(tmp_path: Path) -> None:
    path = tmp_path / "shard.npy"
    np.save(path, np.arange(1_000_000))
    try:
        drop_pages([path])
    except SystemExit:
        pytest.skip("the temporary folder is in memory")
    mapped = np.load(path, mmap_mode="r")
    assert mapped.sum() == 499_999_500_000
    assert _is_cached(path)
    drop_pages([path])
    assert not _is_cached(path)
    assert mapped.sum() == 499_999_500_000


def _is_cached(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            return os.preadv(file.fileno(), [bytearray(1)], 3_000_000, os.RWF_NOWAIT) == 1
        except BlockingIOError:
            return False

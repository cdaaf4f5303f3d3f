from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.common.data.manifest import Example
from tasks.common.data.shards import open_array, open_shard, write_shards
from tasks.common.stage.errors import TaskError


def examples(splits: list[str]) -> list[Example]:
    return [Example(f"id{i}", split, "x", f"d{i}", f"g{i}", f"line {i}") for i, split in enumerate(splits)]


@given(st.lists(st.sampled_from(["train", "validation", "fold-0"]), min_size=1, max_size=700))
def test_each_split_has_its_rows_in_the_order_of_the_manifest(tmp_path_factory, splits):
    folder = tmp_path_factory.mktemp("shards")
    rows = np.arange(len(splits) * 6, dtype=np.int32).reshape(-1, 2, 3)
    write_shards(folder, "rows", rows, examples(splits))
    for split in set(splits):
        shard = open_shard(folder, "rows", split)
        assert shard.dtype == np.int32
        assert np.array_equal(shard, rows[[index for index, name in enumerate(splits) if name == split]])
    assert len(list(folder.iterdir())) == len(set(splits))


def test_a_shard_is_read_from_disk_and_cannot_be_written(tmp_path):
    write_shards(tmp_path, "rows", np.ones((4, 2)), examples(["train"] * 4))
    shard = open_shard(tmp_path, "rows", "train")
    assert isinstance(shard, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        shard[0] = 2


@pytest.mark.parametrize("content", [None, b"", b"\x93NUMPY", b"\x80\x04]\x94."])
def test_what_is_no_array_is_named(tmp_path, content):
    path = tmp_path / "rows-train.npy"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TaskError, match=f"{path}.* run the stage prepare"):
        open_array(path)

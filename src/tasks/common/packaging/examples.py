"""Examples of what a model takes, from the prepared data: the first of the test split."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

from tasks.common.data.shards import open_shard
from tasks.common.inference.result import Endpoint
from tasks.common.packaging.build import Inputs
from tasks.common.packaging.mlmodel import Column
from tasks.common.stage.paths import TaskPaths

if TYPE_CHECKING:
    import numpy as np


def image_inputs(paths: TaskPaths, endpoint: Endpoint, shard: str, count: int, *, brightest: int = 255) -> Inputs:
    """The first `count` images of the test shard, (N, H, W) or (N, H, W, 3) from 0 to `brightest`, as PNG files."""
    images = open_shard(paths.prepared, shard, "test")[:count]
    return file_inputs(endpoint, [png_of(image, brightest) for image in images])


def file_inputs(endpoint: Endpoint, files: list[bytes]) -> Inputs:
    """Files as rows of the one column that holds them."""
    assert endpoint.files is not None
    return Inputs([Column(endpoint.files, "string")], [[base64.b64encode(file).decode()] for file in files])


def png_of(image: np.ndarray, brightest: int = 255) -> bytes:
    """(H, W) or (H, W, 3) uint8 from 0 to `brightest` as a PNG file, from 0 to 255."""
    import numpy as np
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.rint(image * (255 / brightest)).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()

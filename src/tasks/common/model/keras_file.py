"""Keras models as `.keras` files: read in safe mode, written without the clock that Keras puts into them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.common.model.archive import read_archive, write_archive
from tasks.common.stage.errors import TaskError

if TYPE_CHECKING:
    import keras


def import_keras() -> Any:
    """The module `keras` on TensorFlow, without its lines about the processor's instructions."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras

    return keras


def save_keras(model: keras.Model, path: Path) -> None:
    """Write architecture and weights, without optimizer, to `path`, whose name ends in .keras."""
    model.save(path, include_optimizer=False)
    files = read_archive(path)
    metadata = json.loads(files["metadata.json"])
    metadata.pop("date_saved", None)
    files["metadata.json"] = json.dumps(metadata).encode()
    write_archive(path, files)


def load_keras(path: Path) -> keras.Model:
    """The model in `path`, refusing code hidden in it. Raises TaskError."""
    keras = import_keras()
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, OSError, KeyError) as error:
        raise TaskError(f"{path} is not a Keras model that can be read safely; run the stage train again.") from error

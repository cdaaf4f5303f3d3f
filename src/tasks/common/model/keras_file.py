"""Keras models as `.keras` files: read in safe mode, written without the clock that Keras puts into them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.common.model.archive import read_archive, renumber, write_archive
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
    # Keras would also save the optimizer, which is of the last epoch and twice as large as the weights.
    bare = model.__class__.from_config(model.get_config())
    bare.set_weights(model.get_weights())
    bare.save(path)
    files = read_archive(path)
    # Keras names objects by their address in memory.
    config = renumber(json.loads(files["config.json"]), "shared_object_id")
    # The precision is of the training: the weights are float32, and so is what the model computes from now on.
    _use_float32(config)
    files["config.json"] = json.dumps(config).encode()
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


def _use_float32(node: Any) -> None:
    """Put Keras' policy for float32 in place of every mixed one in the JSON of a model, in place."""
    for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _use_float32(part)
    if isinstance(node, dict) and node.get("class_name") == "DTypePolicy":
        node["config"]["name"] = "float32"

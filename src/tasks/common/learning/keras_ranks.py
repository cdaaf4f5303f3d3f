"""TensorFlow on several ranks: MultiWorkerMirroredStrategy adds up gradients and statistics, every rank keeps a model.

Keras' own `fit` does not run under that strategy, and its mirrored variables are not needed: ranks that start from the
same weights and apply the same gradients stay the same.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tasks.common.learning.ranks import gather, this_rank
from tasks.common.model.keras_file import import_keras

if TYPE_CHECKING:
    import keras
    import numpy as np


def join_keras() -> None:
    """In a rank, meet the others. To be called before TensorFlow computes anything."""
    if this_rank().count > 1:
        _strategy()


@functools.cache
def _strategy() -> Any:
    rank = this_rank()
    os.environ["TF_CONFIG"] = json.dumps(
        {"cluster": {"worker": list(rank.addresses)}, "task": {"type": "worker", "index": rank.number}}
    )
    import tensorflow as tf

    return tf.distribute.MultiWorkerMirroredStrategy()


def total_keras(array: np.ndarray) -> np.ndarray:
    """The sum over all ranks of an array (N, M) float64 that has the same shape on each."""
    import tensorflow as tf

    if this_rank().count == 1:
        return array
    total: np.ndarray = _traced_total()(tf.constant(array, tf.float64)).numpy()
    return total


@functools.cache
def _traced_total() -> Any:
    import tensorflow as tf

    return tf.function(lambda array: added_up([array])[0], input_signature=[tf.TensorSpec([None, None], tf.float64)])


def added_up(tensors: list[Any]) -> list[Any]:
    """The sum over all ranks of each tensor, within a tf.function."""
    import tensorflow as tf

    def of_replica() -> list[Any]:
        # What was made outside belongs to no device, which the strategy takes for a mistake.
        here = [tf.identity(tensor) for tensor in tensors]
        total: list[Any] = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, here)
        return total

    return list(_strategy().run(of_replica))


def as_replica(step: Callable[..., Any]) -> Callable[..., Any]:
    """`step` where layers can look across the ranks; alone, itself."""
    if this_rank().count == 1:
        return step
    return lambda *tensors: _strategy().run(step, tensors)


def over_ranks(model: keras.Model) -> bool:
    """Make the model's batch statistics those of the joined batch and its generators this rank's own.

    Returns whether it has such statistics.
    """
    keras = import_keras()
    rank = this_rank()
    if rank.count == 1:
        return False
    normalising = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in normalising:
        layer.synchronized = True
    if rank.number > 0:
        # Other numbers than the first rank's: the examples are others too.
        for variable in generators_of(model):
            seed, *rest = variable.numpy().tolist()
            variable.assign([_of_rank(seed, rank.number), *rest])
    return bool(normalising)


def generators_of(model: keras.Model) -> list[keras.Variable]:
    """The states of its generators: its variables that are no weights."""
    weights = {id(variable) for variable in model.weights}
    return [variable for variable in model.variables if id(variable) not in weights]


def gathered(array: np.ndarray) -> np.ndarray:
    """The array (M,) of every rank, (R, M), of whole numbers below 2 to the 53."""
    import numpy as np

    return gather(total_keras, this_rank(), array[None].astype(np.float64)).astype(array.dtype)


def _of_rank(seed: int, number: int) -> int:
    import numpy as np

    # In the range that Keras draws such seeds from.
    return int(np.random.SeedSequence(seed, spawn_key=(number,)).generate_state(1, np.uint32)[0] >> 1)

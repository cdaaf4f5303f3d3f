"""Training a Keras classifier on TensorFlow, with the weights of the best epoch at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tasks.common.learning.best import Best
from tasks.common.learning.history import LogEpoch
from tasks.common.model.keras_file import import_keras

if TYPE_CHECKING:
    import keras
    import numpy as np
    import tensorflow as tf


def keras_batches(
    inputs: np.ndarray, targets: np.ndarray, batch_size: int, shuffle_seed: int | None
) -> tf.data.Dataset:
    """Batches of float32 inputs (B, ...) and int64 targets (B,), with a seed in a new order each epoch."""
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices((inputs, targets))
    if shuffle_seed is not None:
        data = data.shuffle(len(targets), seed=shuffle_seed, reshuffle_each_iteration=True)
    return data.batch(batch_size)


def fit_keras(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    train: tf.data.Dataset,
    validation: tf.data.Dataset,
    *,
    epochs: int,
    log_epoch: LogEpoch,
) -> Best[list[np.ndarray]]:
    """Fit logits (B, K) of `model` to targets (B,) by cross-entropy, and leave the best epoch's weights in it."""
    keras = import_keras()
    best: Best[list[np.ndarray]] = Best()
    names = {"loss": "train/loss", "accuracy": "train/accuracy", "val_loss": "val/loss", "val_accuracy": "val/accuracy"}

    def on_epoch_end(epoch: int, logs: dict[str, Any]) -> None:
        metrics = {ours: float(logs[theirs]) for theirs, ours in names.items()}
        best.offer(epoch, metrics, model.get_weights)
        log_epoch(metrics)

    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    callback = keras.callbacks.LambdaCallback(on_epoch_end=on_epoch_end)
    model.fit(train, validation_data=validation, epochs=epochs, callbacks=[callback], verbose=0, shuffle=False)
    if best.weights is not None:
        model.set_weights(best.weights)
    return best

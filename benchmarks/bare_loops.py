"""Training loops of a few lines, as a tutorial has them: nothing is measured, kept or resumed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from benchmarks.trainings import Training

if TYPE_CHECKING:
    import numpy as np


def bare_torch(training: Training, inputs: np.ndarray, targets: np.ndarray, epochs: int) -> list[float]:
    """The wall seconds of each epoch over inputs (N, ...) and targets (N, ...) in memory."""
    import torch

    model, optimizer, loss = training.model, training.optimizer, training.keywords["loss"]
    size = training.train.batch_size
    x, y = torch.from_numpy(inputs), torch.from_numpy(targets)
    model.train()
    seconds = []
    for _ in range(epochs):
        start = time.perf_counter()
        for chosen in torch.randperm(len(x)).split(size):
            optimizer.zero_grad(set_to_none=True)
            loss(model(x[chosen]), y[chosen]).backward()
            optimizer.step()
        seconds.append(time.perf_counter() - start)
    return seconds


def bare_tensorflow(training: Training, inputs: np.ndarray, targets: np.ndarray, epochs: int) -> list[float]:
    """The same with a step that is compiled to a graph once, in the first epoch."""
    import numpy as np
    import tensorflow as tf

    model, optimizer, loss = training.model, training.optimizer, training.keywords["loss"]
    size = training.train.batch_size
    x, y = tf.constant(inputs), tf.constant(targets)
    random = np.random.default_rng(0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int64)])
    def step(chosen: Any) -> None:
        with tf.GradientTape() as tape:
            value = loss(tf.gather(y, chosen), model(tf.gather(x, chosen), training=True))
        optimizer.apply(tape.gradient(value, model.trainable_variables), model.trainable_variables)

    seconds = []
    for _ in range(epochs):
        start = time.perf_counter()
        order = random.permutation(len(inputs))
        for at in range(0, len(order), size):
            step(tf.constant(order[at : at + size]))
        seconds.append(time.perf_counter() - start)
    return seconds


def bare_sklearn(params: Any, inputs: np.ndarray, targets: np.ndarray, epochs: int) -> list[float]:
    """The same of scikit-learn's multi-layer perceptron, whose partial_fit is one epoch."""
    import numpy as np
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(
        tuple(params.hidden_units),
        learning_rate_init=params.learning_rate,
        batch_size=params.batch_size,
        random_state=params.seed,
        shuffle=False,
    )
    random, classes = np.random.default_rng(params.seed), np.unique(targets)
    seconds = []
    for _ in range(epochs):
        start = time.perf_counter()
        order = random.permutation(len(targets))
        model.partial_fit(inputs[order], targets[order], classes=classes)
        seconds.append(time.perf_counter() - start)
    return seconds

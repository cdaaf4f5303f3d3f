"""Training a Keras model on TensorFlow, with the weights of the best epoch at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tasks.common.learning.batches import Batches
from tasks.common.learning.best import Best
from tasks.common.learning.checkpoints import PhaseCheckpoints
from tasks.common.learning.engine import HostBatch, Judged, Weights
from tasks.common.learning.epochs import fit
from tasks.common.learning.history import LogEpoch
from tasks.common.learning.measures import Measure
from tasks.common.learning.trainer import TrainerParams, compiles, keras_precision
from tasks.common.model.device import has_tensorflow_card
from tasks.common.model.keras_file import import_keras

if TYPE_CHECKING:
    import keras
    import numpy as np
    from tensorflow import Tensor

    Loss = Callable[[Tensor, Tensor], Tensor]


def fit_keras(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    train: Batches,
    validation: Batches | None,
    *,
    loss: Loss,
    measure: Measure,
    epochs: int,
    trainer: TrainerParams,
    log_epoch: LogEpoch,
    checkpoints: PhaseCheckpoints,
    learning_rate_at: Callable[[int], float] | None = None,
) -> Best[Weights]:
    """Fit `model` to the targets, and leave the weights of the epoch with the lowest validation loss in it.

    validation: None holds nothing out, and leaves the last epoch's weights.
    loss: one of Keras', or a function of targets and float32 outputs (B, ...), in Keras' order, to their mean.
    learning_rate_at: the rate of each step of the optimizer, from 0. To be called after start_keras, with a model that
    was built under keras_policy. Raises TaskError where the training diverges.
    """
    return fit(
        _KerasEngine(model, optimizer, loss, trainer),
        train,
        validation,
        measure=measure,
        epochs=epochs,
        trainer=trainer,
        log_epoch=log_epoch,
        checkpoints=checkpoints,
        learning_rate_at=learning_rate_at,
    )


class _KerasEngine:
    def __init__(self, model: keras.Model, optimizer: keras.optimizers.Optimizer, loss: Loss, trainer: TrainerParams):
        import tensorflow as tf

        keras = import_keras()
        if keras_precision(trainer) == "float16":
            # Small gradients would be zero in float16.
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        optimizer.build(model.trainable_variables)
        self._model = model
        self._optimizer = optimizer

        def forward(inputs: Tensor, targets: Tensor, training: bool) -> tuple[Tensor, Tensor]:
            outputs = tf.cast(model(inputs, training=training), tf.float32)
            return tf.add_n([loss(targets, outputs), *(tf.cast(more, tf.float32) for more in model.losses)]), outputs

        def gradients(inputs: Tensor, targets: Tensor, share: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
            with tf.GradientTape() as tape:
                value, outputs = forward(inputs, targets, True)
                scaled = optimizer.scale_loss(value * share)
            return value, outputs, tape.gradient(scaled, model.trainable_variables, unconnected_gradients="zero")

        def learn(inputs: Tensor, targets: Tensor) -> Judged:
            value, outputs, found = gradients(inputs, targets, tf.constant(1.0))
            optimizer.apply(found, model.trainable_variables)
            return value, outputs

        self._jit_compile = compiles(trainer, "tensorflow", has_tensorflow_card()) or None
        self._steps: dict[str, Callable[..., Any]] = {
            "learn": learn,
            "gradients": gradients,
            "judge": lambda inputs, targets: forward(inputs, targets, False),
        }
        self._traced: dict[str, Callable[..., Any]] = {}
        self._apply = tf.function(
            lambda found: optimizer.apply(found, model.trainable_variables), jit_compile=self._jit_compile
        )

    def host_batch(self, inputs: np.ndarray, targets: np.ndarray) -> HostBatch:
        import tensorflow as tf

        return HostBatch(tf.convert_to_tensor(inputs), tf.convert_to_tensor(targets), targets)

    def learn(self, batches: Sequence[HostBatch], learning_rate: float | None) -> list[Judged]:
        import tensorflow as tf

        if learning_rate is not None:
            self._optimizer.learning_rate = learning_rate
        if len(batches) == 1:
            return [self._run("learn", batches[0])]
        n_examples = sum(map(len, batches))
        sums: list[Tensor] = []
        judged = []
        for batch in batches:
            share = tf.constant(len(batch) / n_examples, tf.float32)
            loss, outputs, found = self._run("gradients", batch, share)
            sums = [one + other for one, other in zip(sums, found, strict=True)] if sums else found
            judged.append((loss, outputs))
        self._apply(sums)
        return judged

    def judge(self, batch: HostBatch) -> Judged:
        judged: Judged = self._run("judge", batch)
        return judged

    def fetch(self, judged: Sequence[Judged]) -> list[tuple[float, np.ndarray]]:
        return [(float(loss), outputs.numpy()) for loss, outputs in judged]

    def weights(self) -> Weights:
        return {_name(number): array for number, array in enumerate(self._model.get_weights())}

    def set_weights(self, weights: Weights) -> None:
        self._model.set_weights([weights[_name(number)] for number in range(len(weights))])

    def state(self) -> tuple[Weights, dict[str, Any]]:
        return {_name(number): variable.numpy() for number, variable in enumerate(self._variables())}, {}

    def set_state(self, arrays: Weights, record: Mapping[str, Any]) -> None:
        variables = self._variables()
        if len(variables) != len(arrays):
            raise ValueError(f"{len(arrays)} variables instead of {len(variables)}")
        for number, variable in enumerate(variables):
            variable.assign(arrays[_name(number)])

    def _run(self, step: str, batch: HostBatch, *numbers: Tensor) -> Any:
        import tensorflow as tf

        if step not in self._traced:
            # Open in the number of examples, or the smaller last batch of an epoch would be traced as well.
            specs = [tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype) for tensor in (batch.inputs, batch.targets)]
            specs += [tf.TensorSpec([], number.dtype) for number in numbers]
            self._traced[step] = tf.function(self._steps[step], input_signature=specs, jit_compile=self._jit_compile)
        return self._traced[step](batch.inputs, batch.targets, *numbers)

    def _variables(self) -> list[keras.Variable]:
        # A model's variables are its weights and the states of its generators.
        return [*self._model.variables, *self._optimizer.variables]


def _name(number: int) -> str:
    return f"{number:05d}"

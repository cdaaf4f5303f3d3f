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
from tasks.common.learning.keras_ranks import added_up, as_replica, gathered, generators_of, over_ranks, total_keras
from tasks.common.learning.measures import Measure
from tasks.common.learning.rank_processes import train_on_ranks
from tasks.common.learning.ranks import this_rank
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
    Where the trainer's parameters say several devices, other processes train, see train_on_ranks.
    """
    log_epoch = train_on_ranks(checkpoints, trainer, epochs, log_epoch)
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

        self._alone = this_rank().count == 1

        def forward(inputs: Tensor, targets: Tensor, training: bool) -> tuple[Tensor, Tensor]:
            outputs = tf.cast(model(inputs, training=training), tf.float32)
            value = loss(targets, outputs)
            if training and not self._alone and isinstance(loss, keras.losses.Loss):
                # Keras divides its own losses by the number of replicas.
                value *= this_rank().count
            return tf.add_n([value, *(tf.cast(more, tf.float32) for more in model.losses)]), outputs

        def gradients(inputs: Tensor, targets: Tensor, share: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
            with tf.GradientTape() as tape:
                value, outputs = forward(inputs, targets, True)
                scaled = optimizer.scale_loss(value * share)
            return value, outputs, tape.gradient(scaled, model.trainable_variables, unconnected_gradients="zero")

        def learn(inputs: Tensor, targets: Tensor) -> Judged:
            value, outputs, found = gradients(inputs, targets, tf.constant(1.0))
            optimizer.apply(found, model.trainable_variables)
            return value, outputs

        looks_across = over_ranks(model)
        compiled = compiles(trainer, "tensorflow", has_tensorflow_card())
        # XLA does not compile what waits for other processes.
        self._jit_compile = (compiled and not looks_across) or None
        self._steps: dict[str, Callable[..., Any]] = {
            "learn": learn,
            "gradients": as_replica(gradients),
            "judge": lambda inputs, targets: forward(inputs, targets, False),
        }
        self._traced: dict[str, Callable[..., Any]] = {}
        self._apply = tf.function(
            lambda found: optimizer.apply(found, model.trainable_variables), jit_compile=self._jit_compile
        )
        self._added_up = tf.function(added_up)

    def host_batch(self, inputs: np.ndarray, targets: np.ndarray) -> HostBatch:
        import tensorflow as tf

        return HostBatch(tf.convert_to_tensor(inputs), tf.convert_to_tensor(targets), targets)

    def learn(self, batches: Sequence[HostBatch], sizes: Sequence[int], learning_rate: float | None) -> list[Judged]:
        import tensorflow as tf

        if learning_rate is not None:
            self._optimizer.learning_rate = learning_rate
        if len(batches) == 1 and self._alone:
            return [self._run("learn", batches[0])]
        sums: list[Tensor] = []
        judged = []
        for batch, size in zip(batches, sizes, strict=True):
            share = tf.constant(this_rank().weight(size) / sum(sizes), tf.float32)
            loss, outputs, found = self._run("gradients", batch, share)
            sums = [one + other for one, other in zip(sums, found, strict=True)] if sums else found
            judged.append((loss, outputs))
        self._apply(sums if self._alone else self._added_up(sums))
        return judged

    def judge(self, batch: HostBatch) -> Judged:
        judged: Judged = self._run("judge", batch)
        return judged

    def fetch(self, judged: Sequence[Judged]) -> list[tuple[float, np.ndarray]]:
        return [(float(loss), outputs.numpy()) for loss, outputs in judged]

    def total(self, array: np.ndarray) -> np.ndarray:
        return total_keras(array)

    def weights(self) -> Weights:
        return {_name(number): array for number, array in enumerate(self._model.get_weights())}

    def set_weights(self, weights: Weights) -> None:
        self._model.set_weights([weights[_name(number)] for number in range(len(weights))])

    def state(self) -> tuple[Weights, dict[str, Any]]:
        arrays = {_name(number): variable.numpy() for number, variable in enumerate(self._variables())}
        if not self._alone:
            generators = enumerate(generators_of(self._model))
            arrays |= {f"generator/{_name(number)}": gathered(variable.numpy()) for number, variable in generators}
        return arrays, {}

    def set_state(self, arrays: Weights, record: Mapping[str, Any]) -> None:
        variables = self._variables()
        of_variables = [name for name in arrays if "/" not in name]
        if len(variables) != len(of_variables):
            raise ValueError(f"{len(of_variables)} variables instead of {len(variables)}")
        for number, variable in enumerate(variables):
            variable.assign(arrays[_name(number)])
        if not self._alone:
            for number, variable in enumerate(generators_of(self._model)):
                variable.assign(arrays[f"generator/{_name(number)}"][this_rank().number])

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

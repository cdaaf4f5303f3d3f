"""What is minimised: functions of targets and logits (B, H, W, 1), in Keras' order, to one number.

The overlap losses count over the whole batch, so that slices without gland neither divide by zero nor weigh as much as
slices with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import tensorflow as tf

LossName = Literal["cross_entropy", "dice", "tversky", "focal_tversky"]
Loss = Callable[[Any, Any], Any]

# Pixels added above and below the fraction bar: a batch without any gland has the loss 0 where nothing is predicted.
_SMOOTHING = 1.0
# The power below has no slope at 0.
_LEAST = 1e-6


def loss_function(name: LossName, miss_weight: float, focus: float) -> Loss:
    """The loss `name`. miss_weight: of a missed pixel, 0 to 1, against one too many, in both Tversky losses.

    focus: from 1; above 1, focal Tversky cares more for what overlaps badly.
    """
    if name == "cross_entropy":
        return cross_entropy
    if name == "dice":
        return lambda targets, logits: 1 - tversky_index(targets, logits, 0.5)
    if name == "tversky":
        return lambda targets, logits: 1 - tversky_index(targets, logits, miss_weight)
    return lambda targets, logits: _power(1 - tversky_index(targets, logits, miss_weight), 1 / focus)


def cross_entropy(targets: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Mean over the pixels."""
    import tensorflow as tf

    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=targets, logits=logits))


def tversky_index(targets: tf.Tensor, logits: tf.Tensor, miss_weight: float) -> tf.Tensor:
    """Overlap of 0 to 1, which for miss_weight 0.5 is Dice. Salehi et al. 2017, https://arxiv.org/abs/1706.05721."""
    import tensorflow as tf

    predicted = tf.sigmoid(logits)
    hit = tf.reduce_sum(predicted * targets)
    missed = tf.reduce_sum((1 - predicted) * targets)
    added = tf.reduce_sum(predicted * (1 - targets))
    return (hit + _SMOOTHING) / (hit + miss_weight * missed + (1 - miss_weight) * added + _SMOOTHING)


def _power(value: tf.Tensor, exponent: float) -> tf.Tensor:
    """As in focal Tversky: Abraham and Khan 2018, https://arxiv.org/abs/1810.07842, where `focus` is gamma."""
    import tensorflow as tf

    return tf.pow(tf.maximum(value, _LEAST), exponent)

"""What the three networks are made of. Shapes: B slices, H x W pixels, C channels, channels last.

Every layer is named, because Keras numbers nameless layers through the whole process, and the names are in the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tasks.common.model.keras_file import import_keras

if TYPE_CHECKING:
    import keras

# The moving averages have to settle within the few hundred steps of a small data set.
_MOMENTUM = 0.9


def convolve(x: keras.KerasTensor, channels: int, size: int, name: str, **options: Any) -> keras.KerasTensor:
    """A convolution of size x size, batch normalisation, ReLU: (B, H, W, C) to (B, H, W, channels)."""
    layers = import_keras().layers
    options = {"padding": "same", "use_bias": False, "kernel_initializer": "he_normal"} | options
    x = layers.Conv2D(channels, size, name=f"{name}_conv", **options)(x)
    return layers.ReLU(name=f"{name}_relu")(normalise(x, name))


def convolve_twice(x: keras.KerasTensor, channels: int, name: str) -> keras.KerasTensor:
    """Two convolutions of 3 x 3."""
    return convolve(convolve(x, channels, 3, f"{name}_1"), channels, 3, f"{name}_2")


def normalise(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Batch normalisation."""
    return import_keras().layers.BatchNormalization(momentum=_MOMENTUM, name=f"{name}_norm")(x)


def gland_logits(x: keras.KerasTensor) -> keras.KerasTensor:
    """The logit of the gland at each pixel: (B, H, W, C) to (B, H, W, 1), float32 whatever the precision."""
    return import_keras().layers.Conv2D(1, 1, dtype="float32", name="logits")(x)

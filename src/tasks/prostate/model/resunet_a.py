"""ResUNet-a: residual blocks of parallel dilated convolutions, and pyramid pooling. Its single-task form.

Diakogiannis et al. 2020, https://arxiv.org/abs/1904.00592.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tasks.common.model.keras_file import import_keras
from tasks.prostate.model.layers import convolve, gland_logits, normalise

if TYPE_CHECKING:
    import keras

# From the finest level on; a dilation that would reach past the whole picture is left out.
_DILATIONS = ((1, 3, 15, 31), (1, 3, 15), (1, 3), (1,))
_POOLINGS = (1, 2, 4, 8)


def build_resunet_a(side: int, channels: Sequence[int]) -> keras.Model:
    """(B, side, side, 1) to logits (B, side, side, 1); `channels` of each level, each half as wide as the last."""
    keras = import_keras()
    layers = keras.layers
    images = keras.Input((side, side, 1), name="images")
    x = layers.Conv2D(channels[0], 1, name="stem")(images)
    stem = x
    skips = []
    for level in range(len(channels) - 1):
        x = _residual(x, level, side >> level, f"down_{level}")
        skips.append(x)
        x = layers.Conv2D(channels[level + 1], 1, strides=2, name=f"pool_{level}")(x)
    bottom = len(channels) - 1
    x = _pyramid(_residual(x, bottom, side >> bottom, "bottom"), "bottom_pyramid")
    for level in reversed(range(len(skips))):
        x = layers.Conv2DTranspose(channels[level], 2, strides=2, name=f"up_{level}")(x)
        x = _combine(x, skips[level], f"join_{level}")
        x = _residual(x, level, side >> level, f"merge_{level}")
    x = _pyramid(_combine(x, stem, "join_stem"), "last_pyramid")
    return keras.Model(images, gland_logits(x), name="resunet_a")


def _residual(x: keras.KerasTensor, level: int, side: int, name: str) -> keras.KerasTensor:
    """(B, H, W, C) plus, for each dilation of the level, twice normalise, ReLU and convolve."""
    layers = import_keras().layers
    parts = [x]
    for dilation in _DILATIONS[min(level, len(_DILATIONS) - 1)]:
        if dilation > 1 and 2 * dilation >= side:
            continue
        part = x
        for step in (1, 2):
            at = f"{name}_dilated_{dilation}_{step}"
            part = layers.ReLU(name=f"{at}_relu")(normalise(part, at))
            part = layers.Conv2D(x.shape[-1], 3, padding="same", dilation_rate=dilation, name=f"{at}_conv")(part)
        parts.append(part)
    return layers.Add(name=f"{name}_add")(parts)


def _combine(x: keras.KerasTensor, skip: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Two (B, H, W, C) to one."""
    layers = import_keras().layers
    both = layers.Concatenate(name=f"{name}_concat")([layers.ReLU(name=f"{name}_before")(x), skip])
    return convolve(both, x.shape[-1], 1, name)


def _pyramid(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """(B, H, W, C) with what the greatest of ever larger surroundings are: (B, H, W, C)."""
    layers = import_keras().layers
    channels = x.shape[-1]
    parts = [x]
    for size in _POOLINGS:
        if size > x.shape[1] or x.shape[1] % size:
            continue
        at = f"{name}_{size}"
        part = layers.MaxPooling2D(size, name=f"{at}_pool")(x)
        part = convolve(part, max(1, channels // len(_POOLINGS)), 1, at)
        parts.append(layers.UpSampling2D(size, name=f"{at}_up")(part))
    return convolve(layers.Concatenate(name=f"{name}_concat")(parts), channels, 1, name)

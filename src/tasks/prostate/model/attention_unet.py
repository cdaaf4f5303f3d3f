"""Attention U-Net: a U-Net that weighs each place of a skip connection. Oktay et al. 2018, https://arxiv.org/abs/1804.03999."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tasks.common.model.keras_file import import_keras
from tasks.prostate.model.layers import convolve_twice, gland_logits

if TYPE_CHECKING:
    import keras


def build_attention_unet(side: int, channels: Sequence[int]) -> keras.Model:
    """(B, side, side, 1) to logits (B, side, side, 1); `channels` of each level, each half as wide as the last."""
    keras = import_keras()
    layers = keras.layers
    images = keras.Input((side, side, 1), name="images")
    x = images
    skips = []
    for level, width in enumerate(channels[:-1]):
        x = convolve_twice(x, width, f"down_{level}")
        skips.append(x)
        x = layers.MaxPooling2D(2, name=f"pool_{level}")(x)
    x = convolve_twice(x, channels[-1], "bottom")
    for level in reversed(range(len(skips))):
        attended = _attend(skips[level], x, max(1, channels[level] // 2), f"attend_{level}")
        x = layers.Conv2DTranspose(channels[level], 2, strides=2, name=f"up_{level}")(x)
        x = layers.Concatenate(name=f"join_{level}")([attended, x])
        x = convolve_twice(x, channels[level], f"merge_{level}")
    return keras.Model(images, gland_logits(x), name="attention_unet")


def _attend(skip: keras.KerasTensor, gate: keras.KerasTensor, channels: int, name: str) -> keras.KerasTensor:
    """The skip (B, H, W, C), each place times a weight of 0 to 1 that it and the gate (B, H/2, W/2, D) agree on."""
    layers = import_keras().layers
    seen = layers.Conv2D(channels, 2, strides=2, use_bias=False, name=f"{name}_skip")(skip)
    asked = layers.Conv2D(channels, 1, name=f"{name}_gate")(gate)
    both = layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([seen, asked]))
    weight = layers.Conv2D(1, 1, activation="sigmoid", name=f"{name}_weight")(both)  # (B, H/2, W/2, 1)
    weight = layers.UpSampling2D(2, interpolation="bilinear", name=f"{name}_up")(weight)  # (B, H, W, 1)
    return layers.Multiply(name=f"{name}_multiply")([skip, weight])

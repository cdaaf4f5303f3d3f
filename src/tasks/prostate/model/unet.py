"""U-Net. Ronneberger et al. 2015, https://arxiv.org/abs/1505.04597; here with padding and batch normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tasks.common.model.keras_file import import_keras
from tasks.prostate.model.layers import convolve_twice, gland_logits

if TYPE_CHECKING:
    import keras


def build_unet(side: int, channels: Sequence[int]) -> keras.Model:
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
        x = layers.Conv2DTranspose(channels[level], 2, strides=2, name=f"up_{level}")(x)
        x = layers.Concatenate(name=f"join_{level}")([skips[level], x])
        x = convolve_twice(x, channels[level], f"merge_{level}")
    return keras.Model(images, gland_logits(x), name="unet")

"""The networks: a backbone that sees, and a head that names genres.

Shapes: B posters, S pixels of a side, K labels, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tasks.common.model.keras_file import import_keras
from tasks.common.stage.errors import TaskError

if TYPE_CHECKING:
    import keras

Backbone = Literal["efficientnetv2_b0", "small_cnn"]

# Of ImageNet's red, green and blue, as the published weights expect them.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Architecture:
    """What shapes a network."""

    backbone: Backbone
    side: int
    """Pixels of each side of the input."""
    channels: Sequence[int]
    """Of each convolution of small_cnn."""
    dropout: float
    """Share of the backbone's answer that is dropped before the head while training."""


def build_network(architecture: Architecture, n_labels: int, weights: Literal["imagenet"] | None) -> keras.Model:
    """(B, S, S, 3) pixels, uint8, to logits (B, K).

    weights: what the backbone starts with; None is chance. Raises TaskError where they cannot be had, or
    where nothing would be left of the pixels.
    """
    keras = import_keras()
    layers = keras.layers
    side = architecture.side
    pixels = keras.Input((side, side, 3), dtype="uint8", name="pixels")
    if architecture.backbone == "efficientnetv2_b0":
        backbone = _efficientnet(side, weights)
        scale = layers.Rescaling(
            [1 / (255 * std) for std in _STD],
            [-mean / std for mean, std in zip(_MEAN, _STD, strict=True)],
            name="scale",
        )
        pool = layers.GlobalAveragePooling2D(name="pool")
    else:
        backbone = _small_cnn(side, architecture.channels)
        scale = layers.Rescaling(1 / 127.5, -1.0, name="scale")
        pool = layers.GlobalMaxPooling2D(name="pool")
    scaled = scale(pixels)  # (B, S, S, 3)
    # Published statistics of the batches are kept: those of a small set of posters would be worse.
    seen = backbone(scaled, training=False) if weights else backbone(scaled)  # (B, H, W, C)
    found = pool(seen)  # (B, C)
    kept = layers.Dropout(architecture.dropout, name="dropout")(found)
    logits = layers.Dense(n_labels, dtype="float32", name="logits")(kept)  # (B, K)
    return keras.Model(pixels, logits, name="posters")


def backbone_of(model: keras.Model) -> Any:
    """The part of the network that the head stands on."""
    return next(layer for layer in model.layers if hasattr(layer, "layers"))


def _small_cnn(side: int, channels: Sequence[int]) -> keras.Model:
    """(B, S, S, 3) to (B, S / 2^(n + 1), ..., Cn): n convolutions, each halved, the first one twice."""
    least = 2 ** (len(channels) + 1) - 1
    if side < least:
        raise TaskError(
            f"posters.train.channels has {len(channels)} convolutions, for which posters must have {least} "
            f"pixels a side, but they have {side}; take a convolution out or raise posters.prepare.image_size."
        )
    keras = import_keras()
    layers = keras.layers
    inputs = seen = keras.Input((side, side, 3), name="scaled")
    for number, count in enumerate(channels, 1):
        size, stride = (5, 2) if number == 1 else (3, 1)
        # Normalisation has an offset of its own.
        convolution = layers.Conv2D(count, size, stride, padding="same", use_bias=False, name=f"conv_{number}")
        convolution.kernel_initializer = keras.initializers.HeNormal()
        seen = layers.BatchNormalization(momentum=0.9, name=f"normal_{number}")(convolution(seen))
        seen = layers.MaxPooling2D(2, name=f"pool_{number}")(layers.ReLU(name=f"relu_{number}")(seen))
    return keras.Model(inputs, seen, name="small_cnn")


def _efficientnet(side: int, weights: Literal["imagenet"] | None) -> keras.Model:
    """EfficientNetV2-B0 without its head: (B, S, S, 3) to (B, S / 32, S / 32, 1280).

    Tan and Le 2021, https://arxiv.org/abs/2104.00298.
    """
    keras = import_keras()
    try:
        return keras.applications.EfficientNetV2B0(
            include_top=False, weights=weights, input_shape=(side, side, 3), include_preprocessing=False
        )
    # Keras raises a plain Exception where its download fails.
    except Exception as error:
        if weights is None:
            raise
        sentence = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise TaskError(
            f"the ImageNet weights of EfficientNetV2-B0 cannot be fetched ({sentence}); connect to the network once, "
            "put Keras' file of them into ~/.keras/models, or set posters.train.weights to null."
        ) from error

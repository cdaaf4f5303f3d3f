"""Which network, and how slices become its input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from tasks.prostate.model.attention_unet import build_attention_unet
from tasks.prostate.model.resunet_a import build_resunet_a
from tasks.prostate.model.unet import build_unet

if TYPE_CHECKING:
    import keras
    import numpy as np

Architecture = Literal["unet", "attention_unet", "resunet_a"]

_BUILD = {"unet": build_unet, "attention_unet": build_attention_unet, "resunet_a": build_resunet_a}


def build(architecture: Architecture, side: int, channels: Sequence[int]) -> keras.Model:
    """(B, side, side, 1) to logits (B, side, side, 1); `side` is a multiple of 2 to the number of levels less 1."""
    return _BUILD[architecture](side, channels)


def network_input(slices: np.ndarray) -> np.ndarray:
    """Slices (B, H, W), bytes or already about 0, to float32 (B, H, W, 1) about 0."""
    import numpy as np

    values = slices.astype(np.float32)
    if slices.dtype == np.uint8:
        values = values / np.float32(127.5) - np.float32(1)
    return values[..., None]

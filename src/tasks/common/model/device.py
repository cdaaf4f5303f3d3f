"""The device that a stage computes on: `auto` is the graphics card where there is one."""

from __future__ import annotations

from typing import Literal

from tasks.common.stage.errors import TaskError

Device = Literal["auto", "cpu", "cuda"]

_NO_CARD = 'the parameter device is "cuda", but {framework} finds no graphics card here; set it to auto or cpu.'


def torch_device(device: Device) -> Literal["cpu", "cuda"]:
    """`cpu` or `cuda` for PyTorch. Raises TaskError where `cuda` is asked for and absent."""
    import torch

    has_card = torch.cuda.is_available()
    if device == "cuda" and not has_card:
        raise TaskError(_NO_CARD.format(framework="PyTorch"))
    return "cuda" if has_card and device != "cpu" else "cpu"


def use_tensorflow_device(device: Device) -> None:
    """Make TensorFlow use `device`, before it has computed anything. Raises TaskError as torch_device does."""
    import tensorflow as tf

    cards = tf.config.list_physical_devices("GPU")
    if device == "cuda" and not cards:
        raise TaskError(_NO_CARD.format(framework="TensorFlow"))
    if device == "cpu":
        tf.config.set_visible_devices([], "GPU")
    else:
        for card in cards:
            # Otherwise TensorFlow takes all of the card's memory, and a second task on it has none.
            tf.config.experimental.set_memory_growth(card, True)

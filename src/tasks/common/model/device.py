"""The device that a stage computes on: `auto` is the graphics card where there is one.

The number of threads is a parameter, because sums in another order end in other digits.
"""

from __future__ import annotations

from typing import Literal

from tasks.common.stage.errors import TaskError

Device = Literal["auto", "cpu", "cuda"]

_NO_CARD = 'the parameter device is "cuda", but {framework} finds no graphics card here; set it to auto or cpu.'


def use_torch(device: Device, threads: int) -> Literal["cpu", "cuda"]:
    """Give PyTorch so many threads of the processor, and return its device, which is never `auto`.

    Raises TaskError where `cuda` is asked for and absent.
    """
    import torch

    torch.set_num_threads(threads)
    has_card = torch.cuda.is_available()
    if device == "cuda" and not has_card:
        raise TaskError(_NO_CARD.format(framework="PyTorch"))
    return "cuda" if has_card and device != "cpu" else "cpu"


def use_tensorflow(device: Device, threads: int) -> None:
    """Give TensorFlow so many threads of the processor, and its device, before it has computed anything.

    Raises TaskError as use_torch does.
    """
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    cards = tf.config.list_physical_devices("GPU")
    if device == "cuda" and not cards:
        raise TaskError(_NO_CARD.format(framework="TensorFlow"))
    if device == "cpu":
        tf.config.set_visible_devices([], "GPU")
    else:
        for card in cards:
            # Otherwise TensorFlow takes all of the card's memory, and a second task on it has none.
            tf.config.experimental.set_memory_growth(card, True)


def has_tensorflow_card() -> bool:
    """Whether TensorFlow computes on a graphics card, after use_tensorflow."""
    import tensorflow as tf

    return bool(tf.config.get_visible_devices("GPU"))

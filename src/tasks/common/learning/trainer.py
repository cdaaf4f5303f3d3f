"""How a training computes, the same for every task: device, precision, compilation, checkpoints.

None of it changes what is learned, up to rounding; `fast_dev_run` alone cuts the training short. Only dropout draws
other numbers on several devices.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

from pydantic import Field

from tasks.common.learning.keras_ranks import join_keras
from tasks.common.learning.rank_processes import check_cards
from tasks.common.learning.ranks import this_rank
from tasks.common.learning.seeds import seed_keras, seed_torch
from tasks.common.learning.torch_ranks import join_torch
from tasks.common.model.device import Device, use_tensorflow, use_torch
from tasks.common.model.keras_file import import_keras
from tasks.common.stage.errors import TaskError
from tasks.common.stage.params import StageParams

Precision = Literal["float32", "bfloat16", "float16"]

# From this compute capability on, NVIDIA cards multiply bfloat16 in their tensor cores.
BFLOAT16_CAPABILITY = (8, 0)


class DataParams(StageParams):
    """`<task>.train.data`."""

    num_workers: Annotated[int, Field(ge=0, le=64)]
    """Threads that make batches ahead, 0 for none."""


class TrainerParams(StageParams):
    """`<task>.train.trainer`."""

    device: Device
    threads: Annotated[int, Field(ge=1, le=1024)]
    precision: Literal["auto", "float32", "bfloat16", "float16"]
    compile: Literal["auto", True, False]
    accumulate_batches: Annotated[int, Field(ge=1)]
    deterministic: bool
    checkpoint_seconds: Annotated[float, Field(gt=0)]
    fast_dev_run: bool
    devices: Annotated[int, Field(ge=1, le=1024)]
    """Graphics cards of a machine, or processes where it has none, that each compute their part of every batch."""
    nodes: Annotated[int, Field(ge=1, le=1024)]
    """Machines, each with so many devices."""

    def epochs(self, epochs: int) -> int:
        """How many epochs to train where `epochs` are asked for."""
        return 1 if self.fast_dev_run else epochs


def start_torch(trainer: TrainerParams, seed: int) -> Literal["cpu", "cuda"]:
    """Seed PyTorch and give it its threads; returns its device. To be called before the model is built.

    In a rank, waits for the others. Raises TaskError where `cuda` is asked for and absent, or cards are too few.
    """
    check_cards(trainer)
    device = use_torch(trainer.device, threads_of(trainer))
    seed_torch(seed, trainer.deterministic)
    join_torch(device)
    return device


def start_keras(trainer: TrainerParams, seed: int) -> None:
    """Seed TensorFlow, and give it its threads and device. To be called before the model is built.

    In a rank, waits for the others. Raises TaskError where `cuda` is asked for and absent, or cards are too few.
    """
    check_cards(trainer)
    use_tensorflow(trainer.device, threads_of(trainer))
    join_keras()
    seed_keras(seed, trainer.deterministic)


def threads_of(trainer: TrainerParams) -> int:
    """Threads of this process: the trainer's are those of a machine, which its ranks share."""
    return max(1, trainer.threads // this_rank().on_machine)


@contextmanager
def keras_policy(trainer: TrainerParams) -> Iterator[None]:
    """Keras models built inside compute in the trainer's precision; their weights are float32 in any case."""
    keras = import_keras()
    before = keras.config.dtype_policy()
    precision = keras_precision(trainer)
    keras.config.set_dtype_policy("float32" if precision == "float32" else f"mixed_{precision}")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def torch_precision(trainer: TrainerParams, device: str) -> Precision:
    """The precision that `auto` stands for on PyTorch's device: bfloat16 on a card that has it, otherwise float32."""
    import torch

    if trainer.precision != "auto":
        return trainer.precision
    has_it = device == "cuda" and torch.cuda.get_device_capability() >= BFLOAT16_CAPABILITY
    return "bfloat16" if has_it else "float32"


def keras_precision(trainer: TrainerParams) -> Precision:
    """The same for TensorFlow, after start_keras."""
    import tensorflow as tf

    if trainer.precision != "auto":
        return trainer.precision
    cards = tf.config.get_visible_devices("GPU")
    capabilities = [tf.config.experimental.get_device_details(card).get("compute_capability") for card in cards]
    has_it = bool(cards) and all(found is not None and found >= BFLOAT16_CAPABILITY for found in capabilities)
    return "bfloat16" if has_it else "float32"


def compiles(trainer: TrainerParams, framework: Literal["torch", "tensorflow"], on_card: bool) -> bool:
    """Whether the steps are compiled, by torch.compile or XLA; `auto` is on a card only.

    Raises TaskError where torch.compile is asked for and there is no compiler for what it writes.
    """
    has_compiler = framework == "tensorflow" or any(map(shutil.which, (os.environ.get("CXX", "c++"), "g++", "clang++")))
    if trainer.compile is True and not has_compiler:
        raise TaskError(
            "the parameter compile is true, but there is no C++ compiler here; install g++, or set it to auto."
        )
    return on_card and has_compiler if trainer.compile == "auto" else trainer.compile

"""PyTorch weights in safetensors: numbers only, nothing that runs when it is read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tasks.common.stage.errors import TaskError

if TYPE_CHECKING:
    from torch import nn


def save_torch(model: nn.Module, path: Path) -> None:
    """Write the model's weights and buffers to `path`."""
    from safetensors.torch import save_file

    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}, path)


def load_torch(model: nn.Module, path: Path) -> None:
    """Read the weights in `path` into `model`. Raises TaskError where they are of another architecture."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        model.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as error:
        raise TaskError(f"{path} does not hold the weights of this model; run the stage train again.") from error

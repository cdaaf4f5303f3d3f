"""Weights to start from, of a file in the repository that is pinned by its digest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from tasks.common.stage.errors import TaskError
from tasks.common.stage.files import file_digest
from tasks.common.stage.params import PARAMS_FILE, StageParams
from tasks.common.stage.paths import TaskPaths

if TYPE_CHECKING:
    from torch import nn

# The last layer answers another question in every data set.
_HEAD = "fc."


class Pretrained(StageParams):
    """`retinopathy.train.pretrained`."""

    path: Annotated[str, Field(min_length=1)]
    sha256: str | None = None
    """Not required here, so that the error for its absence can say what it should be."""


def load_pretrained(model: nn.Module, paths: TaskPaths, pretrained: Pretrained) -> None:
    """Put the file's weights into `model`, all but those of the last layer. Raises TaskError where they do not fit."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    key = f"{PARAMS_FILE}: {paths.task}.train.pretrained"
    root = paths.root.resolve()
    path = (root / pretrained.path).resolve()
    if not path.is_relative_to(root) or not path.is_file():
        raise TaskError(f"{key}.path is {pretrained.path!a}, which is no file in the repository; put it there.")
    digest = file_digest(path)
    if pretrained.sha256 != digest:
        was = f"is {pretrained.sha256!a}" if pretrained.sha256 else "is missing"
        raise TaskError(
            f"{key}.sha256 {was}, which is not the digest of {pretrained.path!a}; "
            f"if its weights are the ones you mean, set this line: sha256: {digest}"
        )
    try:
        given = load_file(path)
    except SafetensorError as error:
        raise TaskError(f"{key}.path is {pretrained.path!a}, which is no safetensors file; convert it.") from error
    weights = {name: tensor for name, tensor in given.items() if not name.startswith(_HEAD)}
    own = {name: tensor.shape for name, tensor in model.state_dict().items() if not name.startswith(_HEAD)}
    # A count of batches that only batch normalisation without momentum would need, and many files leave out.
    missing = [name for name in own if name not in weights and not name.endswith("num_batches_tracked")]
    wrong = [name for name in weights if own.get(name) != weights[name].shape]
    if missing or wrong:
        raise TaskError(
            f"{key}.path is {pretrained.path!a}, whose weights are of another network "
            f'("{(missing + wrong)[0]}" does not fit); correct model and widths, or take another file.'
        )
    model.load_state_dict(weights, strict=False)

"""Training a PyTorch model, with the weights of the best epoch at the end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tasks.common.learning.batches import Batches
from tasks.common.learning.best import Best
from tasks.common.learning.checkpoints import PhaseCheckpoints
from tasks.common.learning.engine import HostBatch, Judged, Weights
from tasks.common.learning.epochs import fit
from tasks.common.learning.history import LogEpoch
from tasks.common.learning.measures import Measure
from tasks.common.learning.rank_processes import train_on_ranks
from tasks.common.learning.ranks import this_rank
from tasks.common.learning.torch_ranks import gathered_generator, over_ranks, own_generator, tell_copies, total_torch
from tasks.common.learning.trainer import TrainerParams, compiles, threads_of, torch_precision
from tasks.common.model.device import use_torch

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor, nn

    Loss = Callable[[Tensor, Tensor], Tensor]

# The dimensions of a batch of images: (B, C, H, W).
_IMAGE_DIMENSIONS = 4


def fit_torch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    train: Batches,
    validation: Batches | None,
    *,
    loss: Loss,
    measure: Measure,
    epochs: int,
    trainer: TrainerParams,
    log_epoch: LogEpoch,
    checkpoints: PhaseCheckpoints,
    learning_rate_at: Callable[[int], float] | None = None,
) -> Best[Weights]:
    """Fit `model` to the targets, and leave the weights of the epoch with the lowest validation loss in it.

    validation: None holds nothing out, and leaves the last epoch's weights.
    loss: float32 outputs and targets (B, ...) to their mean, a scalar. learning_rate_at: the rate of each step of the
    optimizer, from 0. To be called after start_torch. Raises TaskError where the training diverges.
    Where the trainer's parameters say several devices, other processes train, see train_on_ranks.
    """
    log_epoch = train_on_ranks(checkpoints, trainer, epochs, log_epoch)
    engine = _TorchEngine(model, optimizer, loss, trainer)
    best = fit(
        engine,
        train,
        validation,
        measure=measure,
        epochs=epochs,
        trainer=trainer,
        log_epoch=log_epoch,
        checkpoints=checkpoints,
        learning_rate_at=learning_rate_at,
    )
    model.eval()
    return best


class _TorchEngine:
    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, loss: Loss, trainer: TrainerParams):
        import torch

        self._device = use_torch(trainer.device, threads_of(trainer))
        self._on_card = self._device == "cuda"
        self._model = model.to(self._device)
        if self._on_card:
            self._model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._rank = this_rank()
        # It adds up gradients while they are computed; the model itself stays what weights are read from.
        self._parallel = over_ranks(self._model)
        compiled = compiles(trainer, "torch", self._on_card)
        self._forward = torch.compile(self._parallel) if compiled else self._parallel
        self._optimizer = optimizer
        self._loss = loss
        precision = torch_precision(trainer, self._device)
        self._dtype = getattr(torch, precision)
        self._scaler = torch.amp.GradScaler(self._device, enabled=precision == "float16")

    def host_batch(self, inputs: np.ndarray, targets: np.ndarray) -> HostBatch:
        import torch

        inputs_tensor, targets_tensor = torch.from_numpy(inputs), torch.from_numpy(targets)
        if self._on_card:
            # Only from pinned memory can a card copy while it computes.
            inputs_tensor, targets_tensor = inputs_tensor.pin_memory(), targets_tensor.pin_memory()
        return HostBatch(inputs_tensor, targets_tensor, targets)

    def learn(self, batches: Sequence[HostBatch], sizes: Sequence[int], learning_rate: float | None) -> list[Judged]:
        if not self._model.training:
            self._model.train()
        if learning_rate is not None:
            for group in self._optimizer.param_groups:
                group["lr"] = learning_rate
        self._optimizer.zero_grad(set_to_none=True)
        judged = []
        for number, (batch, size) in enumerate(zip(batches, sizes, strict=True), 1):
            with self._adding_up(number == len(batches)):
                tell_copies(self._parallel, self._rank.copies(size))
                loss, outputs = self._forward_pass(batch)
                # Of the ranks' gradients it is the mean that is taken.
                factor = self._rank.weight(size) / sum(sizes) * self._rank.count
                self._scaler.scale(loss if factor == 1 else loss * factor).backward()
            judged.append((loss.detach(), outputs.detach()))
        self._scaler.step(self._optimizer)
        self._scaler.update()
        return judged

    def judge(self, batch: HostBatch) -> Judged:
        import torch

        self._model.eval()
        with torch.no_grad():
            return self._forward_pass(batch)

    def fetch(self, judged: Sequence[Judged]) -> list[tuple[float, np.ndarray]]:
        return [(loss.item(), outputs.cpu().numpy()) for loss, outputs in judged]

    def total(self, array: np.ndarray) -> np.ndarray:
        return total_torch(array)

    def weights(self) -> Weights:
        return {name: tensor.detach().cpu().numpy().copy() for name, tensor in self._model.state_dict().items()}

    def set_weights(self, weights: Weights) -> None:
        import torch

        self._model.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})

    def state(self) -> tuple[Weights, dict[str, Any]]:
        import torch

        arrays = {f"model/{name}": array for name, array in self.weights().items()}
        optimizer = self._optimizer.state_dict()
        for number, values in optimizer["state"].items():
            for name, value in values.items():
                if value is not None:
                    arrays[f"optimizer/{number}/{name}"] = torch.as_tensor(value).detach().cpu().numpy()
        arrays["generator"] = gathered_generator(torch.get_rng_state().numpy())
        if self._on_card:
            arrays["card_generator"] = gathered_generator(torch.cuda.get_rng_state().numpy())
        rates = [float(group["lr"]) for group in optimizer["param_groups"]]
        return arrays, {"learning_rates": rates, "scaler": self._scaler.state_dict()}

    def set_state(self, arrays: Weights, record: Mapping[str, Any]) -> None:
        import torch

        self.set_weights({name.removeprefix("model/"): arrays[name] for name in arrays if name.startswith("model/")})
        content = self._optimizer.state_dict()
        content["state"] = {}
        parameters = [parameter for group in self._optimizer.param_groups for parameter in group["params"]]
        for name, array in arrays.items():
            if name.startswith("optimizer/"):
                _, number, key = name.split("/")
                tensor = torch.from_numpy(array)
                if tensor.shape == parameters[int(number)].shape:
                    # In the parameter's order of memory, which a fused optimizer relies on.
                    tensor = torch.empty_like(parameters[int(number)], dtype=tensor.dtype).copy_(tensor)
                content["state"].setdefault(int(number), {})[key] = tensor
        for group, rate in zip(content["param_groups"], record["learning_rates"], strict=True):
            group["lr"] = rate
        self._optimizer.load_state_dict(content)
        self._scaler.load_state_dict(record["scaler"])
        torch.set_rng_state(torch.from_numpy(own_generator(arrays["generator"])))
        if self._on_card:
            torch.cuda.set_rng_state(torch.from_numpy(own_generator(arrays["card_generator"])))

    def _adding_up(self, is_last: bool) -> contextlib.AbstractContextManager[None]:
        """Where the ranks' gradients are added up at the last batch of a step alone."""
        if is_last or self._rank.count == 1:
            return contextlib.nullcontext()
        no_sync: contextlib.AbstractContextManager[None] = self._parallel.no_sync()  # type: ignore[operator]
        return no_sync

    def _forward_pass(self, batch: HostBatch) -> tuple[Tensor, Tensor]:
        import torch

        inputs, targets = self._to_device(batch.inputs), self._to_device(batch.targets)
        lower = self._dtype != torch.float32
        with torch.autocast(self._device, self._dtype) if lower else contextlib.nullcontext():
            outputs = self._forward(inputs)
        outputs = outputs.float()
        return self._loss(outputs, targets), outputs

    def _to_device(self, tensor: Tensor) -> Tensor:
        import torch

        if not self._on_card:
            return tensor
        layout = torch.channels_last if tensor.ndim == _IMAGE_DIMENSIONS else torch.preserve_format
        return tensor.to(self._device, non_blocking=True, memory_format=layout)

"""Training a PyTorch classifier, with the weights of the best epoch at the end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.common.learning.best import Best
from tasks.common.learning.history import LogEpoch

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor, nn

    Batches = Iterable[tuple[Tensor, Tensor]]


def torch_batches(inputs: np.ndarray, targets: np.ndarray, batch_size: int, shuffle_seed: int | None) -> Batches:
    """Batches of float32 inputs (B, ...) and int64 targets (B,), with a seed in a new order each epoch."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    data = TensorDataset(torch.from_numpy(inputs), torch.from_numpy(targets))
    if shuffle_seed is None:
        return DataLoader(data, batch_size)
    return DataLoader(data, batch_size, shuffle=True, generator=torch.Generator().manual_seed(shuffle_seed))


def fit_torch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    train: Batches,
    validation: Batches,
    *,
    epochs: int,
    device: str,
    log_epoch: LogEpoch,
) -> Best[dict[str, Tensor]]:
    """Fit logits (B, K) of `model` to targets (B,) by cross-entropy, and leave the best epoch's weights in it."""
    model.to(device)
    best: Best[dict[str, Tensor]] = Best()
    for epoch in range(epochs):
        model.train()
        fitted = _pass(model, train, device, optimizer)
        model.eval()
        judged = _pass(model, validation, device, None)
        metrics = _named("train", fitted) | _named("val", judged)
        best.offer(epoch, metrics, lambda: {name: t.detach().clone() for name, t in model.state_dict().items()})
        log_epoch(metrics)
    if best.weights is not None:
        model.load_state_dict(best.weights)
    model.eval()
    return best


@dataclass(frozen=True)
class _Sums:
    loss: float
    correct: int
    examples: int


def _pass(model: nn.Module, batches: Batches, device: str, optimizer: torch.optim.Optimizer | None) -> _Sums:
    import torch
    from torch.nn.functional import cross_entropy

    # The sums stay on the device: reading them each step would make a graphics card wait.
    loss_sum = torch.zeros((), device=device)
    correct = torch.zeros((), dtype=torch.int64, device=device)
    examples = 0
    with torch.set_grad_enabled(optimizer is not None):
        for inputs, targets in batches:
            inputs, targets = inputs.to(device), targets.to(device)
            logits = model(inputs)  # (B, K)
            loss = cross_entropy(logits, targets)
            if optimizer is not None:
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
            loss_sum += loss.detach() * len(targets)
            correct += (logits.detach().argmax(dim=1) == targets).sum()
            examples += len(targets)
    return _Sums(loss_sum.item(), int(correct.item()), examples)


def _named(prefix: str, sums: _Sums) -> dict[str, float]:
    return {f"{prefix}/loss": sums.loss / sums.examples, f"{prefix}/accuracy": sums.correct / sums.examples}

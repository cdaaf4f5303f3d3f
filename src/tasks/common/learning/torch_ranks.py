"""PyTorch on several ranks: how they meet, add up, and normalise over the joined batch.

Shapes: B examples, C channels.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from tasks.common.learning.ranks import gather, this_rank

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn


def join_torch(device: str) -> None:
    """In a rank, meet the others: by gloo, and NCCL between graphics cards. To be called once `device` is known."""
    import torch.distributed as dist

    rank = this_rank()
    if rank.count == 1 or dist.is_initialized():
        return
    host, _, port = rank.addresses[0].rpartition(":")
    # Of torchrun's own, if that started the machine's process: there it is another number of processes that meets.
    for name in [name for name in os.environ if name.startswith("TORCHELASTIC_")]:
        del os.environ[name]
    os.environ |= {
        "RANK": str(rank.number),
        "LOCAL_RANK": str(rank.number % rank.on_machine),
        "WORLD_SIZE": str(rank.count),
        "MASTER_ADDR": host,
        "MASTER_PORT": port,
    }
    store = None
    if rank.meeting:
        # By its own name a machine without a network may not find itself; and a store at a port is open to the network.
        os.environ["GLOO_SOCKET_IFNAME"] = "lo"
        store = dist.FileStore(str(rank.meeting / "store"), rank.count)
    backend = "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo"
    dist.init_process_group(backend, store=store, rank=rank.number, world_size=rank.count)


def total_torch(array: np.ndarray) -> np.ndarray:
    """The sum over all ranks of an array that has the same shape on each."""
    import torch
    import torch.distributed as dist

    if this_rank().count == 1:
        return array
    tensor = torch.from_numpy(array.copy())
    dist.all_reduce(tensor)
    return tensor.numpy()


def over_ranks(model: nn.Module) -> nn.Module:
    """`model` with gradients that are means over the ranks, and batch statistics of the joined batch; alone, itself."""
    import torch
    from torch import nn

    rank = this_rank()
    if rank.count == 1:
        return model
    if next(model.parameters()).is_cuda:
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    else:
        # nn.SyncBatchNorm is for graphics cards alone.
        for name, module in list(model.named_modules()):
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                model.get_submodule(name.rpartition(".")[0]).register_module(
                    name.rpartition(".")[2], _joined_batch_norm(module)
                )
    seed = _of_rank(torch.initial_seed(), rank.number)
    if rank.number > 0:
        # Other numbers than the first rank's: the examples are others too.
        torch.manual_seed(seed)
    return nn.parallel.DistributedDataParallel(model, forward_sync_buffers=False)


def tell_copies(model: nn.Module, copies: int) -> None:
    """Tell the model, before it computes a batch, how many ranks compute each example of it."""
    if this_rank().count > 1:
        for module in model.modules():
            if hasattr(module, "copies"):
                module.copies = copies  # type: ignore[assignment]


def gathered_generator(state: np.ndarray) -> np.ndarray:
    """The state (M,) uint8 of every rank's generator, (R, M); alone, its own."""
    import numpy as np

    rank = this_rank()
    if rank.count == 1:
        return state
    return gather(total_torch, rank, state[None].astype(np.float64)).astype(np.uint8)


def own_generator(states: np.ndarray) -> np.ndarray:
    """This rank's of what gathered_generator returned; in a process that is none, the first one's."""
    return states if states.ndim == 1 else states[this_rank().number]


def _of_rank(seed: int, number: int) -> int:
    import numpy as np

    return int(np.random.SeedSequence(seed, spawn_key=(number,)).generate_state(1, np.uint32)[0])


def _joined_batch_norm(norm: Any) -> nn.Module:
    """A layer with the same parameters and buffers, whose statistics while training are those of all ranks' rows."""
    import torch
    import torch.distributed as dist
    from torch import nn

    class Sum(torch.autograd.Function):
        @staticmethod
        def forward(context: Any, tensor: Tensor) -> Tensor:
            total = tensor.clone()
            dist.all_reduce(total)
            return total

        @staticmethod
        def backward(context: Any, *gradients: Any) -> Any:
            # Each rank's loss depends on every rank's sum.
            total = gradients[0].contiguous().clone()
            dist.all_reduce(total)
            return total

    class JoinedBatchNorm(nn.Module):
        running_mean: Tensor
        running_var: Tensor
        num_batches_tracked: Tensor
        copies = 1

        def __init__(self) -> None:
            super().__init__()
            self.weight, self.bias = norm.weight, norm.bias
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                self.register_buffer(name, getattr(norm, name))

        def forward(self, x: Tensor) -> Tensor:  # (B, C, ...)
            if not self.training and norm.track_running_stats:
                return nn.functional.batch_norm(
                    x, self.running_mean, self.running_var, self.weight, self.bias, eps=norm.eps
                )
            others = [axis for axis in range(x.ndim) if axis != 1]
            shape = [-1 if axis == 1 else 1 for axis in range(x.ndim)]
            rows = x.new_tensor([x.numel() / x.shape[1]])
            sums = Sum.apply(torch.cat([x.sum(others), rows]))  # (C + 1,)
            count = sums[-1]
            mean = sums[:-1] / count
            centred = x - mean.view(shape)
            variance = Sum.apply(centred.square().sum(others)) / count
            if norm.track_running_stats:
                examples = count / self.copies
                self._track(mean.detach(), variance.detach() * examples / (examples - 1).clamp(min=1))
            y = centred * torch.rsqrt(variance + norm.eps).view(shape)
            return y if self.weight is None else y * self.weight.view(shape) + self.bias.view(shape)

        def _track(self, mean: Tensor, variance: Tensor) -> None:
            self.num_batches_tracked.add_(1)
            share = norm.momentum if norm.momentum is not None else 1.0 / self.num_batches_tracked.item()
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
            self.running_var.lerp_(variance.to(self.running_var.dtype), share)

    return JoinedBatchNorm()

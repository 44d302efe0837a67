"""Batch norm over all processes that train together, so that N processes give what one gives.

``nn.BatchNorm2d`` normalises with the mean and variance of the examples that its process sees. Of N equal parts of a
batch, with means m_r and deviations measured from the mean of all,

    mean = 1/N sum_r m_r        variance = 1/N sum_r mean_r [ (x - mean)^2 ]

are the whole batch's, exactly. The sums over processes are differentiable (their gradients are summed in turn), so that
the mean of the processes' gradients is the whole batch's as well. ``nn.SyncBatchNorm`` does the same, but on GPUs only.
"""

from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn


def synchronise(module: nn.Module) -> None:
    """Make every ``nn.BatchNorm2d`` inside ``module`` use the statistics of all processes in training.

    Call it in every process before DistributedDataParallel wraps the module. Parameters and buffers stay the same
    objects under the same names. Nothing changes in evaluation, or while there is one process. All processes must train
    on equally many examples.
    """
    for name, child in module.named_children():
        if type(child) is nn.BatchNorm2d:
            setattr(module, name, _shared(child))
        else:
            synchronise(child)


class SharedBatchNorm2d(nn.BatchNorm2d):
    """``nn.BatchNorm2d`` whose training statistics are those of all processes' examples together."""

    def forward(self, input: Tensor) -> Tensor:
        """As ``nn.BatchNorm2d``: normalised (B, C, H, W)."""
        if not self.training or _processes() == 1:
            return super().forward(input)
        x = input.to(torch.promote_types(input.dtype, torch.float32))
        mean = _mean_over_processes(x.mean(dim=(0, 2, 3), keepdim=True))
        variance = _mean_over_processes((x - mean).square().mean(dim=(0, 2, 3), keepdim=True))
        self._remember(mean.detach().flatten(), variance.detach().flatten(), count=x.numel() // x.shape[1])
        normalised = (x - mean) * torch.rsqrt(variance + self.eps)
        return (normalised * self.weight[:, None, None] + self.bias[:, None, None]).to(input.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, *, count: int) -> None:
        """Move the running statistics as torch does; ``count`` values a channel are this process's."""
        assert self.momentum is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        total = count * _processes()
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (total / (total - 1)), self.momentum)
        self.num_batches_tracked += 1


def _processes() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def _mean_over_processes(value: Tensor) -> Tensor:
    return cast(Tensor, _Sum.apply(value)) / _processes()


class _Sum(torch.autograd.Function):
    """Sum over all processes; so is its gradient, since every process's loss depends on every process's value."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        total = value.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _Sum.forward(ctx, gradients[0])


def _shared(norm: nn.BatchNorm2d) -> SharedBatchNorm2d:
    assert norm.affine
    assert norm.track_running_stats
    shared = SharedBatchNorm2d(norm.num_features, eps=norm.eps, momentum=norm.momentum)
    shared.weight, shared.bias = norm.weight, norm.bias
    shared.running_mean, shared.running_var = norm.running_mean, norm.running_var
    shared.num_batches_tracked = norm.num_batches_tracked
    return shared.train(norm.training)

"""A moving average of the weights, which samples better than the last weights do."""

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def make_ema(objective: nn.Module, decay: float) -> AveragedModel | None:
    """An average of ``objective``'s weights with ``decay`` per step; None if the decay is 0."""
    if decay == 0:
        return None
    return AveragedModel(objective, multi_avg_fn=get_ema_multi_avg_fn(decay))


@torch.no_grad()
def warm_start(ema: AveragedModel, objective: nn.Module) -> None:
    """Forget the average and start from the current weights (the random first ones are not worth averaging)."""
    for average, current in zip(ema.module.parameters(), objective.parameters(), strict=True):
        average.copy_(current)
    for kept, current in zip(ema.module.buffers(), objective.buffers(), strict=True):
        kept.copy_(current)

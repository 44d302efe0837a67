"""Numbers of 16 bits where they save time, 32 where they matter.

Weights, gradients' sums, optimizer and loss keep 32 bits. Under ``torch.autocast`` the matrix products and convolutions
of a forward pass compute in 16: bfloat16 has the range of float32 and 8 bits of precision; float16 has 11, but ends at
65504 and, below, at 6e-8, where most gradients are. The loss is therefore multiplied by a large scale before the
backward pass and the gradient divided by it after (Micikevicius et al., 2018, "Mixed precision training"). When a
scaled gradient overflows, the step is left out and the scale halved; it grows again after 2000 good steps.

What a network hands to its segmenter or objective is cast back, so that distributions and losses see float32.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import torch
from torch import Tensor, nn

from napari_ambiseg.models.segmenter import Segmenter
from trainer.objectives.objective import Objective

_SHORT = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Precision:
    """How a run computes: call the objective inside ``autocast()``, and its backward pass through ``scaler``.

    Args:
        name: fp32, bf16 or fp16.
        device: Where the run computes.
    """

    def __init__(self, name: str, device: torch.device) -> None:
        self._short = _SHORT.get(name)
        self._device = device
        self.scaler = torch.amp.GradScaler(device.type, enabled=name == "fp16")

    def autocast(self) -> AbstractContextManager[Any]:
        """Where convolutions and products compute in 16 bits; with fp32, nothing special."""
        if self._short is None:
            return nullcontext()
        return torch.autocast(self._device.type, dtype=self._short)

    def prepare(self, objective: Objective) -> None:
        """Cast what the networks of ``objective`` answer back to float32."""
        if self._short is not None:
            for network in _networks(objective):
                network.register_forward_hook(_cast_back)

    def overflowed(self) -> bool:
        """Whether a gradient that is not finite may be the loss scale's fault, so that the next step can do better."""
        return self.scaler.is_enabled() and self.scaler.get_scale() > 1


def _networks(objective: Objective) -> Iterator[nn.Module]:
    """The modules that an objective and its segmenter call; the segmenter's own forward holds formulas."""
    owners = [module for module in objective.modules() if isinstance(module, Objective | Segmenter)]
    for owner in owners:
        yield from (child for child in _called(owner) if child not in owners)


def _called(owner: nn.Module) -> Iterator[nn.Module]:
    """Children, and the items of those that are lists."""
    for child in owner.children():
        if isinstance(child, nn.ModuleList | nn.ModuleDict):
            yield from _called(child)
        else:
            yield child


def _cast_back(module: nn.Module, arguments: Any, output: Any) -> Any:
    return _in_32_bits(output)


def _in_32_bits(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.float() if value.dtype in _SHORT.values() else value
    if type(value) in (tuple, list):
        return type(value)(_in_32_bits(item) for item in cast("list[Any]", value))
    return value

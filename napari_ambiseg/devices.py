"""Which device computes, and how a model gets there."""

import warnings
from typing import Any, cast

import torch
from torch import nn

from napari_ambiseg.errors import SettingsError


def resolve_device(name: str) -> torch.device:
    """The device of a name; ``auto`` is the first GPU if there is one, otherwise the CPU.

    Raises:
        SettingsError: If there is no such device, or it cannot compute.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is wrong with it is said below, once
            device = torch.device(name)
            torch.ones(1, device=device).add(1).item()  # "meta" has shapes but no numbers, so it fails only here
    except (RuntimeError, AssertionError, ImportError) as error:
        reason = str(error).splitlines()[0]
        raise SettingsError(f"the device {name!r} cannot be used ({reason}); use cpu, or auto for the best") from error
    return device


def move(module: nn.Module, device: torch.device, memory_format: torch.memory_format) -> None:
    """Bring a model's weights to a device, all of them or none.

    Torch moves them one after the other; where memory runs out half-way, it would leave the model on two devices, and
    useless to whoever tries the next.

    Raises:
        RuntimeError: As torch raises it; the weights are then where they were.
    """
    before = module.state_dict()  # the tensors themselves, not copies
    try:
        cast(Any, module).to(device=device, memory_format=memory_format)  # torch's stubs lack this overload
    except BaseException:
        module.load_state_dict(before, assign=True)
        raise

"""Which device computes."""

import torch

from napari_ambiseg.errors import SettingsError


def resolve_device(name: str) -> torch.device:
    """The device of a name; ``auto`` is the first GPU if there is one, otherwise the CPU.

    Raises:
        SettingsError: If there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise SettingsError(f"the device {name!r} cannot be used ({reason}); use cpu, or auto for the best") from error
    return device

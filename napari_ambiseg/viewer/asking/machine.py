"""What this machine can compute on, and how much memory is left there: what the device chooser shows."""

from dataclasses import dataclass

import psutil
import torch

from napari_ambiseg.viewer.session import pace

_SLOW_S, _VERY_SLOW_S = 20.0, 120.0
_MANY_STEPS = 1000  # of all readings together, where nothing is known of the time


@dataclass(frozen=True, slots=True)
class Device:
    """A place to compute.

    Attributes:
        name: As torch calls it; "auto" for the best.
        text: What it is, and its memory.
    """

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Wait:
    """A sentence for whoever is about to wait.

    Attributes:
        text: The sentence.
        is_serious: Whether the wait is one of minutes.
    """

    text: str
    is_serious: bool


def devices() -> tuple[Device, ...]:
    """All devices, the automatic choice first. The first look at a GPU takes a while."""
    gpus = [Device(f"cuda:{i}", _gpu_text(i)) for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        gpus.append(Device("mps", "Apple GPU"))
    cpu = Device("cpu", f"CPU, {torch.get_num_threads()} threads, {_of_memory(*_cpu_memory())}")
    best = gpus[0] if gpus else cpu
    return (Device("auto", f"auto: {best.text}"), *gpus, cpu)


def uses_cpu(device: str) -> bool:
    """Whether a run on this device is one on the CPU."""
    return device == "cpu" or (device == "auto" and not torch.cuda.is_available())


def wait_warning(expected_s: float | None, *, steps: int, device: str) -> Wait | None:
    """What to tell somebody whose run will take long on the CPU.

    Args:
        expected_s: Seconds; None if they are not known.
        steps: Of all readings together.
        device: Where it will run.
    """
    if not uses_cpu(device):
        return None
    remedy = "fewer readings or steps are quicker"
    if torch.cuda.is_available():
        remedy = "the GPU (Device, under More) is quicker"
    if expected_s is None:
        if steps < _MANY_STEPS:
            return None
        return Wait(f"On the CPU so many readings and steps may take minutes; {remedy}.", is_serious=False)
    if expected_s < _SLOW_S:
        return None
    text = f"On the CPU this takes {pace.told(expected_s)}; {remedy}."
    return Wait(text, is_serious=expected_s >= _VERY_SLOW_S)


def _gpu_text(number: int) -> str:
    try:
        free, total = torch.cuda.mem_get_info(number)
    except RuntimeError:  # a card that others hold, or that has failed: a run will say so
        return f"{torch.cuda.get_device_name(number)}, memory unknown"
    return f"{torch.cuda.get_device_name(number)}, {_of_memory(free, total)}"


def _cpu_memory() -> tuple[int, int]:
    memory = psutil.virtual_memory()
    return memory.available, memory.total


def _of_memory(free: int, total: int) -> str:
    return f"{free / 2**30:.3g} of {total / 2**30:.3g} GB free"

"""Which device computes, how a model gets there, and what it means when the device gives up.

Torch, its libraries and ONNX Runtime have no common class for "memory ran out" or "the card is gone": some failures
have a class of their own, the others are told apart by the words that the library puts in its message.
"""

import errno
import re
import threading
import warnings
from collections.abc import Generator
from contextlib import contextmanager

import torch

from napari_ambiseg.errors import SettingsError

_OUT_OF_MEMORY = re.compile(
    r"out of (device |host )?memory"  # CUDA, HIP, XPU, MPS
    r"|out_of_(device_|host_)?memory"  # status codes of OpenCL, Level Zero, Direct3D
    r"|DefaultCPUAllocator"  # torch: "can't allocate memory", on Windows "not enough memory"
    r"|(can(no|')t|unable to|failed to) allocate (memory|\d)"  # the C library, numpy, ONNX Runtime
    r"|bad_alloc\b|bad allocation"  # C++, on Windows in other words
    r"|_STATUS_ALLOC_FAILED"  # cuDNN, cuBLAS
    r"|is smaller than requested bytes"  # ONNX Runtime's arena
    r"|Invalid buffer size",  # MPS: one tensor beyond what Metal gives
    re.IGNORECASE,
)
_DEVICE_LOST = re.compile(
    r"(CUDA|HIP|CUDNN|CUBLAS) (error|failure)"  # torch before it had AcceleratorError, ONNX Runtime
    r"|(CUDNN|CUBLAS|CUSOLVER|MIOPEN)_STATUS_(EXECUTION_FAILED|INTERNAL_ERROR|NOT_INITIALIZED)"
    r"|device-side assert|illegal memory access|unspecified launch failure|uncorrectable (ECC|NVLink)"
    r"|driver shutting down|device(\(s\))? (is|are|is/are) (busy|lost|unavailable|removed)|busy or unavailable"
    r"|no CUDA-capable device|found no NVIDIA driver|CUDA driver initialization failed"
    r"|_ERROR_DEVICE_(LOST|REMOVED|HUNG|RESET)"  # Vulkan, Level Zero, Direct3D
    r"|command buffer exited with error",  # Metal
    re.IGNORECASE,
)
_CAPTURE = re.compile(r"captur", re.IGNORECASE)


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


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, of the device or of the machine: fewer readings at once may then succeed."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return _OUT_OF_MEMORY.search(str(error)) is not None


def is_device_lost(error: BaseException) -> bool:
    """Whether the device itself failed, so that the work has to go on elsewhere (as a rule on the CPU).

    A CUDA context does not survive an error in a kernel: whatever is asked of the device afterwards fails as well. A
    call that CUDA refuses while a graph is captured is no such error; the device can still compute without a graph.
    """
    if is_out_of_memory(error) or _CAPTURE.search(str(error)):
        return False
    return isinstance(error, torch.AcceleratorError) or _DEVICE_LOST.search(str(error)) is not None


_switching = threading.Lock()
_precise = 0  # callers that want it now
_before = (False, False)


@contextmanager
def full_precision() -> Generator[None]:
    """Convolutions and matrix products on a GPU in all of fp32's bits, for this process; as it was afterwards.

    Torch lets cuDNN's convolutions use TF32, which keeps 10 bits of each factor.
    """
    global _precise, _before
    with _switching:
        if _precise == 0:
            _before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
            torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        _precise += 1
    try:
        yield
    finally:
        with _switching:
            _precise -= 1
            if _precise == 0:
                torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = _before

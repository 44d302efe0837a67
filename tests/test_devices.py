"""Devices are tried before they are believed, and failures are told apart."""

import errno
from collections.abc import Callable

import numpy as np
import pytest
import torch

from napari_ambiseg.devices import full_precision, is_device_lost, is_out_of_memory, resolve_device
from napari_ambiseg.errors import SettingsError


@pytest.mark.parametrize("name", ["meta", "abacus", "", "cuda:99", "hpu", "vulkan", "mkldnn"])
def test_a_device_that_cannot_compute_is_refused_in_one_sentence(name: str, recwarn: pytest.WarningsRecorder) -> None:
    with pytest.raises(SettingsError) as refused:
        resolve_device(name)
    assert str(refused.value).startswith(f"the device {name!r} cannot be used (")
    assert str(refused.value).endswith("; use cpu, or auto for the best")
    assert len(str(refused.value).splitlines()) == 1
    assert not recwarn.list


def test_the_processor_can_compute_and_auto_is_a_device_that_can() -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device(resolve_device("auto").type).type == resolve_device("auto").type


class OnnxRuntimeException(Exception):
    """ONNX Runtime's errors derive from nothing but Exception."""


MEMORY_RAN_OUT = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    torch.AcceleratorError("CUDA error: out of memory"),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:80] data. DefaultCPUAllocator: not enough memory: you tried"),
    RuntimeError("std::bad_alloc"),
    RuntimeError("bad allocation"),
    RuntimeError("MPS backend out of memory (MPS allocated: 17.00 GiB, other allocations: 1.00 GiB)"),
    RuntimeError("Invalid buffer size: 32.00 GiB"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("Native API failed. Native API returns: 39 (UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY)"),
    OnnxRuntimeException("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Failed to allocate memory for requested buffer"),
    OnnxRuntimeException("[ONNXRuntimeError] : 1 : FAIL : bad allocation"),
    OnnxRuntimeException("Available memory of 268435456 is smaller than requested bytes of 536870912"),
]

DEVICE_FAILED = [
    torch.AcceleratorError("CUDA error: device-side assert triggered"),
    torch.AcceleratorError("CUDA error: unspecified launch failure"),
    torch.AcceleratorError("CUDA error: no kernel image is available for execution on the device"),
    RuntimeError("CUDA error: an illegal memory access was encountered"),
    RuntimeError("CUDA error: CUDA-capable device(s) is/are busy or unavailable"),
    RuntimeError("CUDA error: driver shutting down"),
    RuntimeError("HIP error: unspecified launch failure"),
    RuntimeError("Found no NVIDIA driver on your system."),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    RuntimeError("Native API failed. Native API returns: 20 (UR_RESULT_ERROR_DEVICE_LOST)"),
    RuntimeError("The device is lost."),
    RuntimeError("Error: command buffer exited with error status."),
    OnnxRuntimeException("[ONNXRuntimeError] : 1 : FAIL : CUDA failure 719: unspecified launch failure"),
    OnnxRuntimeException("887A0005 DXGI_ERROR_DEVICE_REMOVED"),
]

NEITHER = [
    RuntimeError("mat1 and mat2 shapes cannot be multiplied (1x2 and 3x4)"),
    RuntimeError("Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!"),
    RuntimeError("unsupported memory format option ChannelsLast"),
    torch.AcceleratorError("CUDA error: operation not permitted when stream is capturing"),
    OSError(errno.ENOENT, "No such file or directory"),
    SettingsError("steps is 0; give a number from 1 to 1000"),
    ValueError(),
]


@pytest.mark.parametrize("error", MEMORY_RAN_OUT, ids=repr)
def test_memory_that_ran_out_is_recognised_whoever_says_so(error: Exception) -> None:
    assert is_out_of_memory(error)
    assert not is_device_lost(error)


@pytest.mark.parametrize("error", DEVICE_FAILED, ids=repr)
def test_a_device_that_failed_is_recognised_and_not_taken_for_full_memory(error: Exception) -> None:
    assert is_device_lost(error)
    assert not is_out_of_memory(error)


@pytest.mark.parametrize("error", NEITHER, ids=repr)
def test_other_errors_are_neither(error: Exception) -> None:
    assert not is_out_of_memory(error)
    assert not is_device_lost(error)


@pytest.mark.parametrize("allocate", [torch.empty, np.empty], ids=["torch", "numpy"])
def test_a_petabyte_really_runs_out_of_memory(allocate: Callable[[int], object]) -> None:
    with pytest.raises((RuntimeError, MemoryError)) as failed:
        allocate(1 << 50)
    assert is_out_of_memory(failed.value)


def test_full_precision_lasts_until_the_last_caller_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    first, second = full_precision(), full_precision()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert not torch.backends.cudnn.allow_tf32
    second.__exit__(None, None, None)
    assert torch.backends.cudnn.allow_tf32

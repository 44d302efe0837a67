"""Devices are tried before they are believed, and a model is never left on two."""

import copy

import pytest
import torch
from torch import nn

from napari_ambiseg.devices import move, resolve_device
from napari_ambiseg.errors import SettingsError


class Stuck(nn.Linear):
    """A layer for which memory runs out."""

    def _apply(self, fn: object, recurse: bool = True) -> "Stuck":
        raise torch.OutOfMemoryError("CUDA out of memory.")


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


def test_a_model_that_is_moved_keeps_its_numbers_in_the_new_layout() -> None:
    module = nn.Conv2d(2, 3, 3)
    before = copy.deepcopy(module.state_dict())
    move(module, torch.device("cpu"), torch.channels_last)
    torch.testing.assert_close(module.state_dict(), before)
    assert module.weight.is_contiguous(memory_format=torch.channels_last)


def test_a_model_is_moved_as_a_whole_or_not_at_all() -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Linear(3, 3).requires_grad_(False), Stuck(2, 2))
    before = copy.deepcopy(module.state_dict())
    with pytest.raises(torch.OutOfMemoryError):
        move(module, torch.device("meta"), torch.channels_last)
    torch.testing.assert_close(module.state_dict(), before)
    assert [p.requires_grad for p in module.parameters()] == [True, True, False, False, True, True]

"""Devices and their memory as they are told, with cards that are made up."""

import pytest
import torch
from pytestqt.qtbot import QtBot

from napari_ambiseg.viewer.asking import machine
from napari_ambiseg.viewer.asking.device_chooser import DeviceChooser
from napari_ambiseg.viewer.asking.machine import Device


@pytest.fixture
def two_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    def memory(number: int) -> tuple[int, int]:
        if number == 1:
            raise RuntimeError("busy")
        return 70 * 2**30, 80 * 2**30

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: f"Card {number}")
    monkeypatch.setattr(torch.cuda, "mem_get_info", memory)


def test_cards_are_told_with_the_memory_that_is_left(two_cards: None) -> None:
    found = {device.name: device.text for device in machine.devices()}
    assert next(iter(found)) == "auto"
    assert found["cuda:0"] == "Card 0, 70 of 80 GB free"
    assert found["cuda:1"] == "Card 1, memory unknown"
    assert found["auto"] == "auto: Card 0, 70 of 80 GB free"
    assert found["cpu"].startswith("CPU, ")


def test_cards_are_looked_at_beside_the_window(two_cards: None, qtbot: QtBot) -> None:
    chooser = DeviceChooser()
    qtbot.addWidget(chooser)
    chooser.choose("cuda:1")
    assert chooser.device == "auto"  # nothing is known of cards yet
    qtbot.waitUntil(lambda: chooser.count() > 2, timeout=10_000)
    assert chooser.device == "cuda:1"


def test_a_device_of_another_machine_gives_way_to_the_automatic_choice(qtbot: QtBot) -> None:
    chooser = DeviceChooser()
    qtbot.addWidget(chooser)
    chooser.show_devices([Device("auto", "auto: CPU"), Device("cpu", "CPU")])
    chooser.choose("cuda:7")
    assert chooser.device == "auto"
    with qtbot.waitSignal(chooser.device_changed):
        chooser.choose("cpu")
    assert chooser.device == "cpu"


@pytest.mark.parametrize(
    ("expected_s", "steps", "serious"),
    [(5.0, 10**5, None), (45.0, 1, False), (300.0, 1, True), (None, 160, None), (None, 16_000, False)],
)
def test_a_long_wait_on_the_processor_is_told_before(
    expected_s: float | None, steps: int, serious: bool | None
) -> None:
    wait = machine.wait_warning(expected_s, steps=steps, device="cpu")
    assert (None if wait is None else wait.is_serious) == serious
    if wait is not None:
        assert "quicker" in wait.text


def test_a_card_needs_no_warning(two_cards: None) -> None:
    assert machine.wait_warning(300.0, steps=1, device="auto") is None
    on_cpu = machine.wait_warning(300.0, steps=1, device="cpu")
    assert on_cpu is not None
    assert "GPU" in on_cpu.text

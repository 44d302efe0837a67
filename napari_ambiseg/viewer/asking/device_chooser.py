"""Where to compute: the processor or a graphics card, each with the memory that is left there."""

from collections.abc import Sequence

import torch
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget
from superqt.utils import create_worker

from napari_ambiseg.viewer.asking import machine
from napari_ambiseg.viewer.asking.machine import Device
from napari_ambiseg.viewer.widgets.elided import ElidedComboBox


class DeviceChooser(ElidedComboBox):
    """The devices of this machine. A GPU is looked at in a thread of its own: the first look takes seconds.

    Signals:
        device_changed: Another one is chosen.
    """

    device_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._wanted = "auto"
        self.show_devices([Device("auto", "auto")])
        self.activated.connect(self._on_activated)
        self.refresh()

    @property
    def device(self) -> str:
        """Name of the chosen one."""
        return self.currentData()

    def choose(self, name: str) -> None:
        """Choose a device; where it is missing, e.g. because settings are another machine's, the automatic choice."""
        self._wanted = name
        self._show_wanted()

    def refresh(self) -> None:
        """Look at devices and memory anew."""
        if torch.cuda.device_count() == 0:
            self.show_devices(machine.devices())
            return
        worker = create_worker(machine.devices, _start_thread=False)
        worker.returned.connect(self.show_devices)
        worker.start()

    def show_devices(self, found: Sequence[Device]) -> None:
        """Offer these devices."""
        blocked = self.blockSignals(True)
        self.clear()
        for device in found:
            self.addItem(device.text, device.name)
        self.blockSignals(blocked)
        self._show_wanted()

    def showPopup(self) -> None:
        """Whoever looks sees the memory of now, or, with a GPU, of a moment ago."""
        self.refresh()
        super().showPopup()

    def _show_wanted(self) -> None:
        self.setCurrentIndex(max(0, self.findData(self._wanted)))
        self._show_tip()
        self.device_changed.emit()

    def _on_activated(self) -> None:
        self._wanted = self.device
        self._show_tip()
        self.device_changed.emit()

    def _show_tip(self) -> None:
        self.setToolTip(f"{self.currentText()}\nWhere readings are computed; memory is looked at when the list opens")

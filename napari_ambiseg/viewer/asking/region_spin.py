"""How large the field of view is, in millimetres: the model's own size unless somebody wants another."""

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QDoubleSpinBox, QWidget

_SMALLEST_MM, _LARGEST_MM = 4.0, 500.0


class RegionSpin(QDoubleSpinBox):
    """Says "(model's)" behind its number while that is the model's own, and then follows the model.

    Signals:
        region_changed: Another size is wanted.
    """

    region_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._own_mm: float | None = None
        self.setDecimals(1)
        self.setSingleStep(4.0)
        self.setRange(_SMALLEST_MM, _LARGEST_MM)
        self.setKeyboardTracking(False)
        self.setToolTip(
            "Height of the box on the image, in which the model reads. The model was made for its own size: over "
            "another, it sees everything larger or smaller than it has learnt, and may read worse"
        )
        self.valueChanged.connect(self._on_value)
        self.show_own(None)

    @property
    def region_mm(self) -> float | None:
        """The size that is wanted; None for the model's own."""
        return None if self._own_mm is None or self.value() == self._own_mm else self.value()

    @property
    def own_mm(self) -> float | None:
        """The model's own size; None if there is no model."""
        return self._own_mm

    def show_own(self, own_mm: float | None) -> None:
        """Another model is chosen: a size that was the model's own stays so."""
        wanted = self.region_mm
        self._own_mm = None if own_mm is None else round(own_mm, self.decimals())
        self.setEnabled(own_mm is not None)
        self.choose(wanted)

    def choose(self, region_mm: float | None) -> None:
        """Want a size; None is the model's own."""
        if region_mm is not None or self._own_mm is not None:
            self.setValue(self._own_mm if region_mm is None and self._own_mm is not None else region_mm or 0.0)
        self._show_whose()

    def _on_value(self) -> None:
        self._show_whose()
        self.region_changed.emit()

    def _show_whose(self) -> None:
        self.setSuffix(" mm" if self.region_mm is not None or self._own_mm is None else " mm (model's)")


def region_warning(region_mm: float | None, own_mm: float | None) -> str:
    """What to tell somebody who has the model read another size than its own; "" for its own."""
    if region_mm is None or own_mm is None or region_mm == own_mm:
        return ""
    seen = "smaller" if region_mm > own_mm else "larger"
    return (
        f"The model was made for a box of {own_mm:g} mm; in one of {region_mm:g} mm it sees everything {seen} than it "
        "has learnt, and may read worse."
    )

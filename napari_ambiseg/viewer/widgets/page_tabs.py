"""Tabs of which the one that is seen decides how low the dock may be."""

from qtpy.QtCore import QSize
from qtpy.QtWidgets import QSizePolicy, QTabWidget, QWidget


class PageTabs(QTabWidget):
    """Qt's tabs are as high as the highest of them needs; a table in these can be lower than its neighbours."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setDocumentMode(True)
        self.currentChanged.connect(self._fit)

    def hasHeightForWidth(self) -> bool:
        """No: Qt would ask all pages for theirs."""
        return False

    def sizeHint(self) -> QSize:
        """As low as they may be; they grow where there is room."""
        return self.minimumSizeHint()

    def tabInserted(self, index: int) -> None:
        """Another page is there."""
        super().tabInserted(index)
        self._fit()

    def _fit(self) -> None:
        for number in range(self.count()):
            page, is_seen = self.widget(number), number == self.currentIndex()
            assert page is not None
            vertical = QSizePolicy.Policy.Preferred if is_seen else QSizePolicy.Policy.Ignored
            page.setSizePolicy(page.sizePolicy().horizontalPolicy(), vertical)

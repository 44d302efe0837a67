"""A button with a menu: draw the readings that are shown once more, with other steps or another sampler."""

from collections.abc import Callable

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QMenu, QToolButton, QWidget

from napari_ambiseg.diffusion.sampling import SAMPLERS
from napari_ambiseg.viewer.asking.controls import SAMPLER_NAMES
from napari_ambiseg.viewer.comparing.run_list import steps_text
from napari_ambiseg.viewer.session import variants
from napari_ambiseg.viewer.session.result import Request, Result
from napari_ambiseg.viewer.session.showing import Showing
from napari_ambiseg.viewer.session.study import Study

TIP = "Draw the run that is shown once more, from the same seeds, to compare with it"


class RunAgain(QToolButton):
    """The button.

    Args:
        showing: The result that is drawn again.
        study: What is there already.
        is_busy: Whether a run goes on.

    Signals:
        wanted: A list of ``Request``, on the slice and with the seeds of what is shown.
    """

    wanted = Signal(object)

    def __init__(
        self, showing: Showing, study: Study, is_busy: Callable[[], bool], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._showing, self._study, self._is_busy = showing, study, is_busy
        self.setText("Run again")
        self.setStyleSheet("padding-right: 14px;")  # for the arrow of the menu
        self.setToolTip(TIP)
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        menu.aboutToShow.connect(self.fill)
        self.setMenu(menu)

    def fill(self) -> None:
        """What can be asked now."""
        menu, result = self.menu(), self._showing.result
        assert menu is not None
        menu.clear()
        if obstacle := self._obstacle(result):
            menu.addAction(obstacle).setEnabled(False)
            return
        assert result is not None
        request = result.request
        by_steps = [variants.with_steps(request, steps) for steps in variants.STEPS]
        for steps, one in zip(variants.STEPS, by_steps, strict=True):
            self._offer(menu, steps_text(steps), [one])
        self._offer(menu, "All of these numbers of steps", by_steps)
        menu.addSeparator()
        by_sampler = [variants.with_sampler(request, sampler) for sampler in SAMPLERS]
        for sampler, one in zip(SAMPLERS, by_sampler, strict=True):
            self._offer(menu, f"{SAMPLER_NAMES.get(sampler, 'Sampler')} ({sampler})", [one])
        self._offer(menu, "All samplers", by_sampler)

    def _obstacle(self, result: Result | None) -> str:
        """Why nothing can be asked; "" if it can."""
        if self._is_busy():
            return "A run goes on"
        if result is None:
            return "There are no readings yet"
        return "The model answers in one step, however it is asked" if result.sampled.in_one_step else ""

    def _offer(self, menu: QMenu, text: str, requests: list[Request]) -> None:
        """An entry for those of some requests that are not fulfilled yet."""
        missing = [one for one in requests if not variants.is_drawn(one, self._study.results)]
        action = menu.addAction(text if missing else f"{text}: drawn")
        action.setEnabled(bool(missing))
        action.triggered.connect(lambda *_: self.wanted.emit(missing))

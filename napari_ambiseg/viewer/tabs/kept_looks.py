"""How results are looked at, remembered between sessions: map, colours, agreement, and what the player does.

Of a file that is missing or damaged, or of another version, the defaults are taken and nothing is said.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from qtpy.QtCore import QObject

from napari_ambiseg.io.film_frames import Shown
from napari_ambiseg.viewer.canvas.colouring import Colouring
from napari_ambiseg.viewer.canvas.maps import Map
from napari_ambiseg.viewer.session.remembered import read_record, write_record
from napari_ambiseg.viewer.session.remembering import Keep, Remembering
from napari_ambiseg.viewer.session.way import Way
from napari_ambiseg.viewer.tabs.results import ResultsBox
from napari_ambiseg.viewer.tabs.table import Metric


@dataclass(frozen=True, slots=True)
class KeptLooks:
    """A choice of looks.

    Attributes:
        map: What lies below the outlines.
        colouring: What decides on the colours of the readings.
        agreement: What the table shows.
        speed: How many times as fast as usual the player plays.
        shown: What it shows of a step.
        of_all: Whether it shows that of all readings.
    """

    map: Map = Map.PROBABILITY
    colouring: Colouring = Colouring.ONE
    agreement: Metric = Metric.DICE
    speed: float = 1.0
    shown: Shown = Shown.BOTH
    of_all: bool = False


class RememberedLooks(QObject):
    """Looks at results as the user did in the last session, and keeps what he or she changes.

    Args:
        results: What is looked at; it keeps this object.
        path: Where that is kept.
    """

    def __init__(self, results: ResultsBox, path: Path) -> None:
        super().__init__(results)
        self._results, self._path = results, path
        self._show(read_record(path, KeptLooks) or KeptLooks())
        self._remembering = Remembering(results, self._keep_now)
        looking, player = results.looking, results.player
        table = results.table_tab
        chosen = (looking.map_changed, looking.colouring_changed, table.agreement_changed, player.way_changed)
        for signal in (*chosen, player.speed_changed):
            signal.connect(lambda *_: self._remembering.ask())

    def _keep_now(self) -> Keep:
        looking, player = self._results.looking, self._results.player
        chosen = KeptLooks(
            looking.map,
            looking.colouring,
            self._results.table_tab.agreement,
            player.speed,
            player.way.shown,
            player.way.of_all,
        )
        return partial(write_record, self._path, chosen, KeptLooks)

    def _show(self, looks: KeptLooks) -> None:
        self._results.looking.choose_map(looks.map)
        self._results.looking.choose_colouring(looks.colouring)
        self._results.table_tab.choose(looks.agreement)
        self._results.player.choose(Way(looks.shown, looks.of_all), speed=looks.speed)

"""How results are looked at comes back in the next session."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from napari_ambiseg.io.film_frames import Shown
from napari_ambiseg.viewer.canvas.colouring import Colouring
from napari_ambiseg.viewer.canvas.maps import Map
from napari_ambiseg.viewer.session.showing import Showing
from napari_ambiseg.viewer.session.way import Way
from napari_ambiseg.viewer.tabs.kept_looks import RememberedLooks
from napari_ambiseg.viewer.tabs.results import ResultsBox
from napari_ambiseg.viewer.tabs.table import Metric


@pytest.fixture
def opened(qtbot: QtBot, showing: Showing, tmp_path: Path) -> Callable[[], ResultsBox]:
    def open_results() -> ResultsBox:
        results = ResultsBox(showing)
        qtbot.addWidget(results)
        RememberedLooks(results, tmp_path / "looks.json")
        return results

    return open_results


def looks(results: ResultsBox) -> tuple[object, ...]:
    looking, player = results.looking, results.player
    return looking.map, looking.colouring, results.table_tab.agreement, player.way, player.speed


USUAL = (Map.PROBABILITY, Colouring.ONE, Metric.DICE, Way(Shown.BOTH, of_all=False), 1.0)
OTHER = (Map.ENTROPY, Colouring.AREA, Metric.IOU, Way(Shown.MASK, of_all=True), 0.25)


def choose(results: ResultsBox, which: int) -> None:
    box, player = results.look_box, results.player
    (
        lambda: box.map.setCurrentText(Map.ENTROPY.value),
        lambda: box.colouring.setCurrentText(Colouring.AREA.value),
        lambda: results.table_tab._metrics[Metric.IOU].click(),
        lambda: (player.shown_box.setCurrentText("Mask"), player.whose_box.setCurrentText("All")),
        lambda: player.speed_box.setCurrentIndex(0),
    )[which]()


@pytest.mark.parametrize("which", range(5))
def test_each_choice_comes_back_alone(
    opened: Callable[[], ResultsBox], qtbot: QtBot, tmp_path: Path, which: int
) -> None:
    first = opened()
    assert looks(first) == USUAL
    choose(first, which)
    qtbot.waitUntil((tmp_path / "looks.json").exists)
    expected = tuple(OTHER[i] if i == which else usual for i, usual in enumerate(USUAL))
    assert looks(opened()) == expected


def test_all_come_back_together_and_what_came_back_is_not_kept_again(
    opened: Callable[[], ResultsBox], qtbot: QtBot, tmp_path: Path
) -> None:
    path = tmp_path / "looks.json"
    first = opened()
    first.show()
    for which in range(5):
        choose(first, which)
    assert not path.exists()
    first.hide()
    assert path.exists()
    path.rename(kept := tmp_path / "kept.json")
    path.write_bytes(kept.read_bytes())
    second = opened()
    assert looks(second) == OTHER
    assert second.look_box.map.currentText() == Map.ENTROPY.value
    path.unlink()
    second.show()
    second.hide()
    assert not path.exists()


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"\xff", b'{"map": "a map of another version"}', b'{"speed": "fast"}', b'{"speed": 3.0}']
)
def test_a_damaged_file_means_the_defaults(opened: Callable[[], ResultsBox], tmp_path: Path, content: bytes) -> None:
    (tmp_path / "looks.json").write_bytes(content)
    assert looks(opened()) == USUAL


def test_a_folder_that_cannot_be_written_disturbs_nobody(qtbot: QtBot, showing: Showing, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    results = ResultsBox(showing)
    qtbot.addWidget(results)
    RememberedLooks(results, tmp_path / "file" / "looks.json")
    results.show()
    choose(results, 0)
    results.hide()
    assert results.looking.map is Map.ENTROPY

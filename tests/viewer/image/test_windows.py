"""The windows in which CT is read."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image
from napari.utils.key_bindings import coerce_keybinding
from napari.utils.shortcuts import default_shortcuts
from pytestqt.qtbot import QtBot

from napari_ambiseg.engine.grey import GreyScale
from napari_ambiseg.viewer.asking.choosers import ImageChooser
from napari_ambiseg.viewer.asking.window_buttons import WindowButtons
from napari_ambiseg.viewer.image import windows
from napari_ambiseg.viewer.image.origin import Origin, with_origin
from napari_ambiseg.viewer.image.windows import BONE, LUNG, MEDIASTINUM

RNG = np.random.default_rng(0)
HU = RNG.integers(-1000, 1500, (3, 16, 16)).astype(np.int16)


@pytest.mark.parametrize(("window", "limits"), [(LUNG, (-1350, 150)), (MEDIASTINUM, (-160, 240)), (BONE, (-770, 1730))])
def test_width_and_centre_are_black_and_white(window: windows.Window, limits: tuple[float, float]) -> None:
    layer = Image(HU, contrast_limits=(0, 1))
    windows.apply(window, layer)
    assert tuple(layer.contrast_limits) == limits
    assert windows.applied(layer) is window


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (HU, True),
        (HU.astype(np.float32), True),
        (np.where(HU < -900, np.nan, HU), True),
        (np.abs(HU), False),
        (HU.clip(0, 255).astype(np.uint8), False),
        (HU / 1500, False),
    ],
)
def test_hu_are_recognised(pixels: np.ndarray, expected: bool) -> None:
    assert windows.is_in_hu(Image(pixels)) == expected


def test_what_an_image_was_opened_as_counts_before_its_values() -> None:
    tissue = np.full((8, 8), 40, np.int16)
    for grey, expected in ((GreyScale.HU, True), (GreyScale.NORMALISED, False)):
        origin = Origin(path=None, split="", index=0, count=1, name="", grey=grey)
        assert windows.is_in_hu(Image(tissue, metadata=with_origin(origin))) == expected


def test_colours_have_no_hu() -> None:
    assert not windows.is_in_hu(Image(np.zeros((8, 8, 3), np.uint8), rgb=True))


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def buttons(viewer: ViewerModel, qtbot: QtBot) -> WindowButtons:
    chooser = ImageChooser(viewer)
    qtbot.addWidget(chooser)
    viewer.layers.events.inserted.connect(lambda event: chooser.refresh(event.value))
    widget = WindowButtons(viewer, chooser)
    widget.setParent(chooser)
    return widget


def test_buttons_set_and_show_the_window_of_the_chosen_image(viewer: ViewerModel, buttons: WindowButtons) -> None:
    layer = viewer.add_image(HU)
    assert buttons.is_wanted
    buttons.buttons[LUNG].click()
    assert tuple(layer.contrast_limits) == LUNG.limits
    assert [button.isChecked() for button in buttons.buttons.values()] == [True, False, False]
    layer.contrast_limits = BONE.limits  # with napari's own slider
    assert [button.isChecked() for button in buttons.buttons.values()] == [False, False, True]
    layer.contrast_limits = (0, 100)
    assert not any(button.isChecked() for button in buttons.buttons.values())


def test_keys_do_what_the_tooltips_say(viewer: ViewerModel, buttons: WindowButtons) -> None:
    layer = viewer.add_image(HU)
    for window, button in buttons.buttons.items():
        assert f"({window.key}," in button.toolTip()
        act = viewer.keymap[coerce_keybinding(window.key)]
        assert act.__name__  # which napari asks for at every key
        act(viewer)
        assert tuple(layer.contrast_limits) == window.limits


def test_other_images_have_no_windows_and_keep_their_contrast(viewer: ViewerModel, buttons: WindowButtons) -> None:
    seen = list[bool]()
    buttons.wanted.connect(seen.append)
    layer = viewer.add_image(RNG.random((16, 16)))
    limits = tuple(layer.contrast_limits)
    viewer.keymap[coerce_keybinding(LUNG.key)](viewer)
    assert tuple(layer.contrast_limits) == limits
    viewer.add_image(HU)
    assert seen == [False, True]


def test_no_key_of_napari_is_taken() -> None:
    taken = {coerce_keybinding(key) for keys in default_shortcuts.values() for key in keys}
    assert coerce_keybinding("P") in taken  # the paintbrush
    assert not taken & {coerce_keybinding(window.key) for window in windows.WINDOWS}

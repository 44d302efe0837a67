"""Blinded reading in the whole dock: nothing outside it gives away what it hides."""

import napari
from pytestqt.qtbot import QtBot

from napari_ambiseg.viewer.image.origin import Role, role_of
from napari_ambiseg.viewer.opening import sources
from napari_ambiseg.viewer.panel import ReadingsPanel

LONG = 60_000  # milliseconds
Viewer = napari.viewer.Viewer


def test_the_layer_list_shows_no_pictures_of_what_is_hidden(viewer: Viewer, panel: ReadingsPanel, qtbot: QtBot) -> None:
    for data, options, kind in sources.bundled_sample():
        getattr(viewer, f"add_{kind}")(data, **options)
    with qtbot.waitSignal(panel.run_ended, timeout=LONG):
        panel.run()
    image = panel.form.image.image
    experts = panel.form.experts.layers
    probability = next(layer for layer in viewer.layers if role_of(layer) is Role.PROBABILITY)

    def is_seen(layer: napari.layers.Layer) -> bool:
        return bool(layer.thumbnail[..., :3].any())

    assert any(is_seen(layer) for layer in experts)
    assert is_seen(probability)
    panel.showing.hide(model=True, experts=True)
    assert not any(is_seen(layer) for layer in viewer.layers if layer not in (image, _box(viewer)))
    assert is_seen(image)
    panel.showing.hide(model=False, experts=False)
    assert is_seen(probability)
    experts[0].visible = True
    assert is_seen(experts[0])


def _box(viewer: Viewer) -> napari.layers.Layer:
    return next(layer for layer in viewer.layers if role_of(layer) is Role.FIELD_OF_VIEW)

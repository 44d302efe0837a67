import gc
import weakref
from collections.abc import Iterator

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_ambiseg.viewer.widgets import garbage
from napari_ambiseg.viewer.widgets.garbage import spare_what_is_there


@pytest.fixture(autouse=True)
def nothing_spared(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(garbage, "_spared", set())
    yield
    gc.unfreeze()


def test_a_layer_that_is_removed_does_not_stay_in_memory() -> None:
    viewer = ViewerModel()
    for _ in range(2):
        viewer.add_image(np.zeros((8, 8)))  # the one that was chosen last, napari itself keeps
    before = gc.get_freeze_count()
    spare_what_is_there(viewer.layers)
    assert gc.get_freeze_count() > before
    seen = weakref.ref(viewer.layers[0])
    viewer.layers.pop(0)
    gc.collect()
    assert seen() is None


def test_layers_that_came_later_change_nothing() -> None:
    viewer = ViewerModel()
    spare_what_is_there(viewer.layers)
    viewer.layers.remove(viewer.add_image(np.zeros((8, 8))))
    assert gc.get_freeze_count() > 0

"""Keeps Python's garbage collector from stopping the window."""

import gc
from typing import Any

from napari.components import LayerList

_spared: set[int] = set()
"""Identities of the layers that are not looked through; empty while everything is."""


def spare_what_is_there(layers: LayerList) -> None:
    """Do not look through what exists now, until one of the layers that are there is removed.

    Half a million objects that napari and the libraries have imported stay anyway. To look through all of them takes a
    fifth of a second, in whichever thread it comes due, and the window waits. A layer is held by circles of references:
    only the collector frees its pixels, so it must look again when one goes. What is made later is collected as ever.
    """
    if _spared:
        return
    gc.freeze()
    _spared.update({id(layers), *map(id, layers)})

    def on_removed(event: Any) -> None:
        if id(event.value) in _spared:
            layers.events.removed.disconnect(on_removed)
            _spared.clear()
            gc.unfreeze()

    layers.events.removed.connect(on_removed)

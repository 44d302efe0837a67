"""Inserting layers without choosing them: which layer is chosen is the user's affair, or comes a turn later."""

from collections.abc import Generator
from contextlib import contextmanager

from napari.components import LayerList

_SWITCH = "_activate_on_insert"


@contextmanager
def left_unselected(layers: LayerList) -> Generator[None]:
    """Insert without choosing what is inserted.

    Choosing it and the user's again would have napari lay out its controls twice, 25 ms each. The switch is napari's
    own and not a public one, so the choice is put back in any case.
    """
    selected, before = set(layers.selection), getattr(layers, _SWITCH, True)
    setattr(layers, _SWITCH, False)
    try:
        yield
    finally:
        setattr(layers, _SWITCH, before)
        if set(layers.selection) != selected:
            layers.selection = selected

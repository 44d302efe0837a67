import numpy as np
from napari.components import LayerList
from napari.layers import Image

from napari_ambiseg.viewer.image.unselected import left_unselected

PIXELS = np.eye(2)


def test_what_is_inserted_is_not_chosen_and_napari_chooses_again_afterwards() -> None:
    layers = LayerList([Image(PIXELS)])
    chosen = set(layers.selection)
    with left_unselected(layers):
        layers.insert(1, Image(PIXELS))
    assert set(layers.selection) == chosen
    layers.append(last := Image(PIXELS))
    assert set(layers.selection) == {last}


class Plain:
    """What is asked of a layer list; the switch is missing."""

    def __init__(self) -> None:
        self.selection = {"first"}

    def insert(self, value: str) -> None:
        self.selection = {value}


def test_without_the_switch_of_napari_the_choice_is_put_back() -> None:
    layers = Plain()
    with left_unselected(layers):  # type: ignore[arg-type]
        layers.insert("second")
    assert layers.selection == {"first"}

"""Brings a viewer's layers to what ``looks`` say: the only place that adds, changes or hides layers of results.

Layers are updated in place; one that cannot be is removed alone, later: napari crashes if several go in one turn of the
event loop.

A threshold can be dragged, so new data must be there within a frame: the arrays of the layers are written to. Setting
``data`` would make napari look at all layers anew and draw a thumbnail: 4 ms for an image and 40 for vectors.
Outlines are Vectors with room to spare; what is left over has length zero and is not seen.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Layer, Vectors
from numpy.typing import NDArray
from qtpy.QtCore import QTimer

from napari_ambiseg.viewer.canvas.looks import Look, rgba
from napari_ambiseg.viewer.image.origin import Role, role_of, with_origin
from napari_ambiseg.viewer.image.unselected import left_unselected

_IMAGES = (Role.PROBABILITY, Role.ENTROPY, Role.TRAJECTORY, Role.PAIR)
_WITH_BAR = (Role.PROBABILITY, Role.ENTROPY)
_ORDER = {role: i for i, role in enumerate(Role)}
_TRANSFORM = ("units", "scale", "translate", "rotate", "shear", "affine")
_PAUSE_MS = 0  # the next turn of the event loop
_ROOM = 2048  # segments that fit without a new array, about 16 readings of a lesion of 20 mm


class Canvas:
    """The result layers of one viewer."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._retired: list[Layer] = []
        self._painted = set[Role]()  # of segments of several colours

    def find(self, role: Role) -> Layer | None:
        """The layer that shows ``role``."""
        return next((layer for layer in self._viewer.layers if role_of(layer) is role), None)

    def shows(self, look: Look) -> bool:
        """Whether a layer is there that can be brought to a look."""
        layer = self.find(look.role)
        return layer is not None and layer.ndim == look.ndim

    def show(self, looks: Iterable[Look], *, add_missing: bool = True) -> None:
        """Bring the viewer's layers to ``looks``.

        Args:
            looks: What to show, lowest first.
            add_missing: Whether to add layers that are not there; otherwise the user has removed them for a reason.
        """
        for look in looks:
            layer = self.find(look.role)
            if layer is not None and layer.ndim == look.ndim:
                _update(layer, look, was_painted=look.role in self._painted)
            elif add_missing:
                if layer is not None:
                    self._retire(layer)
                self._add(look)
            if look.colours is None:
                self._painted.discard(look.role)
            else:
                self._painted.add(look.role)

    def set_visible(self, roles: Sequence[Role], visible: bool) -> None:
        """Show or hide layers."""
        for role in roles:
            if (layer := self.find(role)) is not None and layer.visible != visible:  # napari redraws all in any case
                layer.visible = visible

    def _retire(self, layer: Layer) -> None:
        """A layer of another number of axes cannot be changed in place: hide it, and let it go when nothing is added.

        Layers go one by one, each in a turn of its own of the event loop.
        """
        layer.visible = False
        layer.metadata = {}
        layer.name = f"{layer.name} (earlier)"
        self._retired.append(layer)
        if len(self._retired) == 1:
            QTimer.singleShot(_PAUSE_MS, self._remove_one)

    def _remove_one(self) -> None:
        if not self._retired:
            return
        layer = self._retired.pop()
        if layer in self._viewer.layers:
            self._viewer.layers.remove(layer)
        if self._retired:
            QTimer.singleShot(_PAUSE_MS, self._remove_one)

    def _add(self, look: Look) -> None:
        layers = self._viewer.layers
        above = [i for i, layer in enumerate(layers) if (role := role_of(layer)) and _ORDER[role] > _ORDER[look.role]]
        with left_unselected(layers):
            layers.insert(min(above, default=len(layers)), _image(look) if look.role in _IMAGES else _vectors(look))


def _image(look: Look) -> Image:
    layer = Image(look.data.copy(), **look.options, **_identity(look))  # a copy: the layer's array is written to
    if look.role in _WITH_BAR:  # in a turn of its own: napari takes as long for it as for the layer
        QTimer.singleShot(_PAUSE_MS, partial(_show_bar, layer))
    return layer


def _show_bar(layer: Image) -> None:
    layer.colorbar.visible = True


def _vectors(look: Look) -> Vectors:
    data = _with_room(look.data, max(_ROOM, 2 * len(look.data)))
    layer = Vectors(data, **look.options, **_identity(look), ndim=look.ndim)
    if look.colours is not None:
        layer.edge_color[: len(look.colours)] = look.colours  # in place, and drawn when the layer is first sliced
    return layer


def _identity(look: Look) -> dict[str, Any]:
    visible = True if look.visible is None else look.visible
    return {"name": look.role.value, "metadata": with_origin(look.role), "visible": visible}


def _update(layer: Layer, look: Look, *, was_painted: bool) -> None:
    _update_transform(layer, look)
    if isinstance(layer, Vectors):
        _update_vectors(layer, look, was_painted=was_painted)
    elif layer.data.shape == look.data.shape:
        layer.data[:] = look.data
        layer.refresh(extent=False, thumbnail=False)
    else:
        layer.data = look.data.copy()
    if look.visible is not None and layer.visible != look.visible:
        layer.visible = look.visible


def _update_transform(layer: Layer, look: Look) -> None:
    """Move the layer, if it is not there already (each change makes napari slice and draw it anew)."""
    for key in _TRANSFORM:
        wanted, found = look.options[key], getattr(layer, key)
        same = tuple(found) == tuple(wanted) if key == "units" else np.allclose(found, wanted)
        if not same:
            setattr(layer, key, wanted)


def _update_vectors(layer: Vectors, look: Look, *, was_painted: bool) -> None:
    """Draw other segments; a layer of one colour keeps that which the user has given it."""
    if len(look.data) > len(layer.data):
        layer.data = _with_room(look.data, 2 * len(look.data))
    layer.data[:] = _with_room(look.data, len(layer.data))
    if look.colours is not None:
        layer.edge_color[: len(look.colours)] = look.colours
    elif was_painted:
        layer.edge_color[:] = rgba(look.options["edge_color"])
    layer.refresh(extent=False, thumbnail=False)
    if layer.edge_width != look.options["edge_width"]:
        layer.edge_width = look.options["edge_width"]


def _with_room(vectors: NDArray[np.float32], room: int) -> NDArray[np.float32]:
    """The vectors, and behind them segments of length zero where the first one starts."""
    filled = np.zeros((room, *vectors.shape[1:]), dtype=np.float32)
    if len(vectors):
        filled[:, 0] = vectors[0, 0]
    filled[: len(vectors)] = vectors
    return filled

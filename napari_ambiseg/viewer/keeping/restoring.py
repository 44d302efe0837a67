"""Session files on napari: a reader that brings slice, experts and the user's masks, and what the dock does then.

The reader gives layers, as readers do; the session itself travels in the metadata of the image. The dock takes it from
there a turn later, when all layers are there, and shows its results. No model is asked.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels
from napari.utils.colormaps import AVAILABLE_COLORMAPS, DirectLabelColormap
from pydantic import TypeAdapter, ValidationError
from qtpy.QtCore import QTimer

from napari_ambiseg.errors import AmbisegError
from napari_ambiseg.io.session_file import SESSION_SUFFIX, read_session
from napari_ambiseg.io.session_record import Drawing, Session
from napari_ambiseg.viewer.canvas.looks import expert_colour
from napari_ambiseg.viewer.image.origin import Origin, with_origin
from napari_ambiseg.viewer.image.plane import layer_shape
from napari_ambiseg.viewer.image.where import Where
from napari_ambiseg.viewer.keeping.accepted import Accepted, accepted_of, below_outlines, own_options, ready
from napari_ambiseg.viewer.keeping.sessions import grey_of, patient_in
from napari_ambiseg.viewer.opening.volumes import LayerData, grey_limits
from napari_ambiseg.viewer.session.showing import Showing

_KEY = "napari-ambiseg-session"
_NOWHERE = Where("", None, ())  # until the image is a layer
_PLUGIN, _DOCK = "napari-ambiseg", "Readings"


@dataclass(frozen=True)
class Look:
    """How a slice was shown.

    Attributes:
        selected: Number of the reading that stood out.
        expert: Number of the expert beside it.
        limits: What was black and white.
        colormap: Name of the image's colours.
        centre_px: Row and column in the middle of the canvas.
        zoom: Pixels of the canvas per pixel of the slice.
        seen: Which layers were ticked to be seen.
    """

    selected: int = 0
    expert: int | None = None
    limits: tuple[float, float] | None = None
    colormap: str = "gray"
    centre_px: tuple[float, float] | None = None
    zoom: float | None = None
    seen: dict[str, bool] = field(default_factory=dict[str, bool])


def look_now(viewer: ViewerModel, showing: Showing, seen: dict[str, bool]) -> dict[str, Any]:
    """How the slice that is shown is shown now, as plain values."""
    result = showing.result
    image = None if result is None else _layer(viewer, result.request.where)
    look = Look(selected=showing.selected, expert=showing.expert, seen=seen)
    if image is None or result is None:
        return asdict(look)
    point: Any = np.array(viewer.dims.point, np.float64)
    point[-2:] = viewer.scene.camera.center[-2:]
    row, column = np.asarray(image.world_to_data(point))[-2:]
    low, high = np.asarray(image.contrast_limits, np.float64)
    return asdict(
        replace(
            look,
            limits=(float(low), float(high)),
            colormap=image.colormap.name,
            centre_px=(float(row), float(column)),
            zoom=float(viewer.scene.camera.zoom * result.request.plane.spacing_mm[0]),
        )
    )


def look_of(session: Session) -> Look:
    """How a session was shown; the defaults where it says nothing that makes sense."""
    names = Look.__dataclass_fields__
    try:
        return TypeAdapter(Look).validate_python({name: v for name, v in session.view.items() if name in names})
    except ValidationError:
        return Look()


def show_look(look: Look, viewer: ViewerModel, showing: Showing) -> None:
    """Select what was selected, and look where one looked; the viewer keeps its place where the session has none."""
    showing.select(look.selected, look.expert)
    result = showing.result
    image = None if result is None else _layer(viewer, result.request.where)
    if image is None or result is None or look.centre_px is None or not look.zoom or look.zoom <= 0:
        return
    row, column = np.asarray(image.data_to_world(look.centre_px))[-2:]
    viewer.scene.camera.center = (0.0, float(row), float(column))
    viewer.scene.camera.zoom = look.zoom / result.request.plane.spacing_mm[0]


def get_session_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """A reader for one session file; None for anything else."""
    return read_session_path if isinstance(path, str) and path.lower().endswith(SESSION_SUFFIX) else None


def read_session_path(path: str | Sequence[str]) -> list[LayerData]:
    """A session file as layers; the dock opens beside them.

    Raises:
        DataFileError: If it is none, or damaged.
    """
    session = read_session(Path(path if isinstance(path, str) else path[0]))
    viewer = napari.current_viewer()
    if viewer is not None:
        QTimer.singleShot(0, lambda: _open_dock(viewer))
    return session_layers(session)


def session_layers(session: Session) -> list[LayerData]:
    """The slice, its experts, the user's own masks."""
    source, patient = session.source, patient_in(session)
    origin = Origin(
        path=Path(source.path) if source.path else None,
        split="",
        index=0,
        count=1,
        name=source.name,
        grey=grey_of(session.grey),
        rendered=session.view.get("rendered") is True,
    )
    placed: dict[str, Any] = {"scale": session.spacing_mm, "units": ("mm", "mm")}
    look = look_of(session)
    image = {
        **placed,
        "name": source.name or "slice",
        "metadata": {**with_origin(origin, patient), _KEY: session},
        "contrast_limits": _limits(session, look),
        "colormap": look.colormap if look.colormap in AVAILABLE_COLORMAPS else "gray",
    }
    layers: list[LayerData] = [(session.pixels, image, "image")]
    for reader, (mask, name) in enumerate(zip(session.experts, session.expert_names, strict=True)):
        colours = DirectLabelColormap(color_dict={None: "transparent", 0: "transparent", 1: expert_colour(reader)})
        options: dict[str, Any] = {**placed, "name": name or f"expert {reader + 1}", "colormap": colours}
        options["opacity"] = 0.9
        options["metadata"] = with_origin(replace(origin, reader=reader), patient)
        layers.append((mask.astype("uint8"), options, "labels"))
    layers += [_own(session, drawing, placed) for drawing in session.drawings]
    return layers


def _limits(session: Session, look: Look) -> tuple[float, float]:
    if look.limits is not None and look.limits[0] < look.limits[1]:
        return look.limits
    return grey_limits(session.pixels, is_hu=session.grey == "hu")


def take_session(image: Image) -> Session | None:
    """The session that an image came with; once."""
    found = image.metadata.get(_KEY)
    if not isinstance(found, Session):
        return None
    image.metadata = {key: value for key, value in image.metadata.items() if key != _KEY}
    return found if layer_shape(image) == found.pixels.shape else None


def bind_masks(viewer: ViewerModel, where: Where) -> None:
    """Say of the masks that came with a session which slice they are of, and bring them below the outlines on it."""
    for layer in list(viewer.layers):
        began_as = accepted_of(layer)
        if isinstance(layer, Labels) and began_as is not None and began_as.where == _NOWHERE:
            ready(layer, where)
            viewer.layers.move(viewer.layers.index(layer), below_outlines(viewer.layers))


def _own(session: Session, drawing: Drawing, placed: dict[str, Any]) -> LayerData:
    number = drawing.from_sample
    seed = session.seeds[number] if number >= 0 else 0
    model = str(session.settings.get("model_name", session.model.name))
    began_as = Accepted(_NOWHERE, number, seed, model)
    return drawing.mask.astype("uint8"), {**placed, **own_options(drawing.name, began_as)}, "labels"


def _layer(viewer: ViewerModel, where: Where) -> Image | None:
    found = next((layer for layer in viewer.layers if str(layer.unique_id) == where.layer), None)
    return found if isinstance(found, Image) else None


def _open_dock(viewer: Any) -> None:
    """The dock, which shows what is in the session; nothing happens if it is there."""
    try:
        viewer.window.add_plugin_dock_widget(_PLUGIN, _DOCK, tabify=False)
    except (AmbisegError, RuntimeError, ValueError):
        return  # the window has been closed meanwhile

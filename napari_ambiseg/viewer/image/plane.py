"""One slice of an image layer: its pixels, and where they lie in napari's world.

napari maps data coordinates x of a layer to the world by ``world = A (R H S x + t)`` with scale S, shear H, rotation R,
translation t and the affine A. A result on this slice keeps all of them. Points (outlines) keep the layer's own
coordinates with the slice's index in front. Images are arrays of their own, whose first pixel lies at the layer's
coordinate o and whose pixels are ``step`` of the layer's: the same map with ``S' = S diag(step)`` and
``t' = R H S o + t``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from napari.utils.transforms import Affine
from numpy.typing import NDArray

from napari_ambiseg.errors import InputImageError

_RIGHT_ANGLE = 1e-3  # cosine that is taken as 0: matrices in file headers are rounded


@dataclass(frozen=True, slots=True)
class Plane:
    """Where a slice lies.

    Attributes:
        index: Position along every axis but the last two; empty for a 2D image.
        scale, translate, rotate, shear, affine, units, axis_labels: As the image layer has them.
        spacing_mm: Height and width of a pixel in millimetres.
        in_mm: Whether the layer says so; otherwise its scale is taken as millimetres.
    """

    index: tuple[int, ...]
    scale: tuple[float, ...]
    translate: tuple[float, ...]
    rotate: NDArray[np.float64]
    shear: NDArray[np.float64]
    affine: NDArray[np.float64]
    units: tuple[Any, ...]
    axis_labels: tuple[str, ...]
    spacing_mm: tuple[float, float]
    in_mm: bool

    @property
    def ndim(self) -> int:
        """Axes of the image layer."""
        return len(self.scale)

    def transform(
        self, *, origin_px: tuple[float, float] | None = None, step_px: tuple[float, float] = (1.0, 1.0)
    ) -> dict[str, Any]:
        """Keyword arguments that place a layer; see the module.

        Args:
            origin_px: Row and column of the first pixel of an image. None: for points in the layer's coordinates.
            step_px: Slice pixels per pixel of that image.
        """
        scale, translate = np.array(self.scale), np.array(self.translate)
        if origin_px is not None:
            own = Affine(scale=scale, translate=translate, rotate=self.rotate, shear=self.shear)
            translate = np.asarray(own([*self.index, *origin_px]), dtype=np.float64)
            scale = scale * [*(1.0 for _ in self.index), *step_px]
        return {
            "scale": tuple(scale.tolist()),
            "translate": tuple(translate.tolist()),
            "rotate": self.rotate,
            "shear": self.shear,
            "affine": self.affine,
            "units": self.units,
            "axis_labels": self.axis_labels,
        }

    def lift(self, vectors: NDArray[np.floating]) -> NDArray[np.float32]:
        """Vectors (N, 2, 2), start and direction as rows and columns, in the layer's coordinates (N, 2, ndim)."""
        lifted = np.zeros((len(vectors), 2, self.ndim), dtype=np.float32)
        lifted[:, 0, : len(self.index)] = self.index
        lifted[:, :, len(self.index) :] = vectors
        return lifted

    def stack(self, image: NDArray[np.generic]) -> NDArray[np.generic]:
        """An image (H, W) with an axis of length 1 for each of ``index``."""
        return image.reshape((1,) * len(self.index) + image.shape)


def plane_of(layer: Image, *, point: Sequence[float], displayed: Sequence[int]) -> Plane:
    """The slice of an image layer that a viewer shows; outside the image, the nearest that it has.

    Args:
        layer: The image.
        point: The viewer's ``dims.point``, in the world.
        displayed: The viewer's ``dims.displayed``.

    Raises:
        InputImageError: If the layer has no slice of grey values, or the viewer shows it from another side.
    """
    if layer.rgb:
        raise InputImageError(
            f"the image {layer.name!r} is RGB; convert it to one grey channel (right click on the layer: Split RGB)"
        )
    if 0 in layer_shape(layer):
        raise InputImageError(
            f"the image {layer.name!r} has shape {layer_shape(layer)}, so it has no pixels; choose another image"
        )
    if len(displayed) > 2:
        raise InputImageError(
            "the viewer shows 3D, and only single slices can be read; switch to 2D and choose a slice"
        )
    if sorted(displayed) != [len(point) - 2, len(point) - 1]:
        raise InputImageError(
            f"the viewer shows the axes {tuple(displayed)}, and only slices along the last two can be read; "
            "change the axes back with the buttons below the layer list"
        )
    return _plane(layer, _slice_index(layer, point))


def pixels_of(layer: Image, plane: Plane) -> NDArray[np.generic]:
    """Grey values (H, W) of a slice."""
    return np.asarray(finest(layer)[plane.index])


def slice_distance_mm(layer: Image) -> float:
    """From one slice of a volume to the next, in millimetres, or in the world where that has no unit of length."""
    origin, end = (np.array(layer.data_to_world(p)) for p in (np.zeros(layer.ndim), np.eye(layer.ndim)[-3]))
    return float(np.linalg.norm((end - origin) * [_millimetres(unit) or 1.0 for unit in layer.units]))


def layer_shape(layer: Image | Labels) -> tuple[int, ...]:
    """Shape of a layer's data, at full resolution."""
    return tuple(finest(layer).shape)


def finest(layer: Image | Labels) -> Any:
    """A layer's data, at full resolution."""
    return layer.data[0] if layer.multiscale else layer.data


def _slice_index(layer: Image, point: Sequence[float]) -> tuple[int, ...]:
    """Index of the slice nearest to a point of the world, for all axes but the last two."""
    shape = layer_shape(layer)
    position = layer.world_to_data(np.asarray(point, dtype=np.float64)[-layer.ndim :])
    leading = zip(np.asarray(position)[:-2], shape[:-2], strict=True)
    return tuple(int(np.clip(round(float(p)), 0, count - 1)) for p, count in leading)


def _plane(layer: Image, index: tuple[int, ...]) -> Plane:
    spacing_mm, in_mm = _spacing(layer)
    return Plane(
        index=index,
        scale=tuple(float(s) for s in layer.scale),
        translate=tuple(float(t) for t in layer.translate),
        rotate=np.array(layer.rotate),
        shear=np.array(layer.shear),
        affine=np.array(layer.affine.affine_matrix),
        units=tuple(layer.units),
        axis_labels=tuple(layer.axis_labels),
        spacing_mm=spacing_mm,
        in_mm=in_mm,
    )


def _spacing(layer: Image) -> tuple[tuple[float, float], bool]:
    """Height and width of a pixel in the world, and whether the layer says that they are millimetres.

    They are the lengths of two columns of the map from data to world, in which scale, shear, rotation and affine are.

    Raises:
        InputImageError: If rows and columns are not at right angles there, so that pixels are no rectangles.
    """
    to_mm = [_millimetres(unit) for unit in layer.units]
    origin, *ends = (np.array(layer.data_to_world(p)) for p in (np.zeros(layer.ndim), *np.eye(layer.ndim)[-2:]))
    down, right = ((end - origin) * [mm or 1.0 for mm in to_mm] for end in ends)
    height, width = float(np.linalg.norm(down)), float(np.linalg.norm(right))
    if abs(float(down @ right)) > _RIGHT_ANGLE * height * width:
        raise InputImageError(
            f"the image {layer.name!r} is sheared: its rows and columns are not at right angles in the world; "
            "remove the shear from its shear and affine, or resample it"
        )
    return (height, width), all(to_mm[-2:])


def _millimetres(unit: Any) -> float | None:
    """Millimetres in a unit of length; None for pixels."""
    if not unit.is_compatible_with("mm"):
        return None
    return float((1 * unit).to("mm").magnitude)

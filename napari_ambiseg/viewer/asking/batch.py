"""The requests of a batch, made slice by slice, so that a window need not wait for those of a whole volume.

A slice takes 1 to 2 ms: it is copied and looked at, and so are the experts' masks on it. Whoever has a window makes one
slice in each turn of the event loop. Meanwhile the user may do anything, and no request may mix what was there before
and after: layers whose array is another by then end the batch.
"""

from collections.abc import Sequence
from dataclasses import replace

from napari.layers import Image, Labels

from napari_ambiseg.engine import model_file
from napari_ambiseg.errors import InputImageError
from napari_ambiseg.viewer.asking.request import make_request
from napari_ambiseg.viewer.canvas.field_of_view import grid_of
from napari_ambiseg.viewer.image.plane import Plane, finest
from napari_ambiseg.viewer.session.result import Request
from napari_ambiseg.viewer.session.settings import Settings


class Batch:
    """What is asked of each of the chosen models, on each of some slices; arguments as those of ``make_request``.

    Attributes:
        left_out: Why slices that cannot be read are left out, as long as there are others.

    Raises:
        AmbisegError: If a model's file cannot be read.
    """

    def __init__(
        self,
        image: Image,
        experts: Sequence[Labels],
        planes: Sequence[Plane],
        *,
        centre_px: tuple[float, float] | None,
        settings: Settings,
    ) -> None:
        self._image, self._experts, self._planes = image, tuple(experts), tuple(planes)
        self._centre_px, self._settings = centre_px, settings
        self._grids = {model: grid_of(model_file(model)) for model in settings.models}
        self._arrays = self._arrays_now()
        self._made: list[Request] = []
        self._looked_at = 0
        self.left_out: list[InputImageError] = []

    @property
    def slices(self) -> int:
        """Slices that are to be read."""
        return len(self._planes)

    @property
    def is_complete(self) -> bool:
        """Whether all slices were looked at."""
        return self._looked_at == len(self._planes)

    def make_next(self) -> None:
        """Make the requests of one slice more.

        Raises:
            InputImageError: If the image, or an experts' layer, holds another array than at the beginning.
        """
        if any(before is not now for before, now in zip(self._arrays, self._arrays_now(), strict=True)):
            raise InputImageError(
                f"the image {self._image.name!r} or a layer of its experts was replaced while its slices were "
                "prepared; run it again"
            )
        plane = self._planes[self._looked_at]
        self._looked_at += 1
        try:
            self._made += [
                make_request(
                    self._image,
                    self._experts,
                    plane,
                    grid=grid,
                    centre_px=self._centre_px,
                    settings=replace(self._settings, model=model, also=()),
                )
                for model, grid in self._grids.items()
            ]
        except InputImageError as error:
            self.left_out.append(error)

    def requests(self) -> list[Request]:
        """Those of all slices that can be read; those that are not made yet are made now.

        Raises:
            InputImageError: If none can be read.
        """
        while not self.is_complete:
            self.make_next()
        if not self._made:
            raise self.left_out[0] if self.left_out else InputImageError("no slice was chosen; choose at least one")
        return self._made

    def _arrays_now(self) -> tuple[object, ...]:
        return tuple(finest(layer) for layer in (self._image, *self._experts))

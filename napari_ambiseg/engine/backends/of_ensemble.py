"""An ensemble's members, each made ready by a backend of its own."""

from collections.abc import Sequence

import torch

from napari_ambiseg.engine.backends import Backend
from napari_ambiseg.models.ensemble import Ensemble
from napari_ambiseg.models.segmenter import Segmenter


class EnsembleBackend:
    """See ``Backend``.

    Args:
        members: Backends of one name on one device, one a member.
    """

    def __init__(self, members: Sequence[Backend]) -> None:
        self._members = tuple(members)

    @property
    def name(self) -> str:
        """See ``Backend.name``."""
        return self._members[0].name

    @property
    def device(self) -> torch.device:
        """See ``Backend.device``."""
        return self._members[0].device

    def segmenter(self, threads: int) -> Segmenter:
        """See ``Backend.segmenter``."""
        return Ensemble([member.segmenter(threads) for member in self._members])
